"""A vector store that somebody else runs: nothing of it is made here, and the API may read its one Secret."""

from __future__ import annotations

from typing import Any

import pytest

from moorage_crds import labels, names
from moorage_crds.tenant import TenantSpec
from moorage_operator.reconcile import TenantRules
from moorage_operator.reconcile.admission import refusal
from moorage_operator.reconcile.resources import compute
from tests.unit.moorage_operator.reconcile.builders import (
    claim,
    condition,
    keys,
    later,
    pass_once,
    status,
    steady,
)
from tests.unit.moorage_operator.reconcile.fake_cluster import FakeCluster

ROLE = ("Role", names.STORE_ROLE)
BINDING = ("RoleBinding", names.STORE_ROLE)
ENDPOINT = "https://weaviate.example:8443"


def store(named: str | None = "store", **more: Any) -> dict[str, Any]:
    """Return a spec whose vector store is elsewhere."""
    reference = {"credentialsSecretRef": {"name": named}} if named else {}
    return {"vectorStore": {"external": {"endpoint": ENDPOINT, **reference}, **more}}


def of_weaviate(cluster: FakeCluster) -> list[str]:
    """Return the objects of a store of the tenant's own."""
    return [
        f"{kind}/{name}"
        for (kind, _, name), found in cluster.objects.items()
        if found["metadata"].get("labels", {}).get(labels.COMPONENT) == labels.COMPONENT_WEAVIATE
    ]


def test_a_tenant_with_an_external_store_gets_nothing_of_a_store_of_its_own() -> None:
    cluster = steady(**store())
    assert of_weaviate(cluster) == []
    assert len(of_weaviate(steady())) == 5
    assert pass_once(cluster) == ()


def test_the_status_says_that_the_store_is_external_and_where() -> None:
    found = status(steady(**store()), "Tenant", "acme")
    verdict = condition(found, "VectorStoreReady")
    assert (verdict["status"], verdict["reason"]) == ("True", "External")
    assert condition(found)["status"] == "True"
    assert found["endpoints"] == {"triton": "triton.tenant-acme.svc", "weaviate": "weaviate.example:8443"}


def test_a_suspended_tenant_still_says_external_and_has_no_pod() -> None:
    cluster = steady(**store())
    cluster.change_spec("Tenant", "acme", store() | {"suspend": True})
    pass_once(cluster)
    cluster.roll_out()
    pass_once(cluster)
    found = status(cluster, "Tenant", "acme")
    assert condition(found)["reason"] == "Suspended"
    assert condition(found, "VectorStoreReady")["reason"] == "External"
    assert cluster.get("Deployment", names.TRITON)["spec"]["replicas"] == 0


def test_the_api_may_read_exactly_the_secret_that_the_store_names() -> None:
    cluster = steady(**store())
    assert cluster.get(*ROLE)["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["store"], "verbs": ["get"]}
    ]
    binding = cluster.get(*BINDING)
    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Role",
        "name": names.STORE_ROLE,
    }
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": names.API_SERVICE_ACCOUNT, "namespace": "moorage-system"}
    ]


def test_another_secret_takes_the_place_of_the_first() -> None:
    cluster = steady(**store())
    cluster.change_spec("Tenant", "acme", store("another"))
    assert keys(pass_once(cluster))[0] == f"apply Role tenant-acme/{names.STORE_ROLE}"
    assert cluster.get(*ROLE)["rules"][0]["resourceNames"] == ["another"]


@pytest.mark.parametrize("spec", [{}, store(None), {"vectorStore": {"backend": "None"}}])
def test_without_such_a_secret_the_api_may_read_none(spec: dict[str, Any]) -> None:
    cluster = steady(**spec)
    assert not cluster.has(*ROLE)
    assert not cluster.has(*BINDING)


def test_the_right_goes_with_the_secrets_name() -> None:
    cluster = steady(**store())
    tenant = cluster.get("Tenant", "acme")
    tenant["spec"] = {}
    cluster.change_spec("Tenant", "acme", store(None))
    pass_once(cluster)
    assert not cluster.has(*ROLE)
    assert not cluster.has(*BINDING)


def test_the_right_goes_with_a_tenant_that_leaves_its_namespace() -> None:
    cluster = steady(**store(), deletionPolicy="Retain")
    cluster.edit("Tenant", "acme", ("metadata", "deletionTimestamp"), "2026-03-01T00:00:00Z")
    while ("Tenant", None, "acme") in cluster.objects:
        pass_once(cluster)
    assert not cluster.has(*ROLE)
    assert not cluster.has(*BINDING)
    assert ("Namespace", None, "tenant-acme") in cluster.objects


def test_one_of_moorages_own_secrets_is_never_granted() -> None:
    cluster = steady(**store(names.CREDENTIALS))
    assert not cluster.has(*ROLE)


def test_the_quota_counts_no_pod_and_no_volume_of_it() -> None:
    quota = {"pods": 1, "storage": "1Gi"}
    spec = TenantSpec.model_validate(store() | {"quota": quota})
    own = TenantSpec.model_validate({"quota": quota})
    assert refusal(spec, TenantRules()) is None
    verdict = refusal(own, TenantRules())
    assert verdict
    assert "spec.quota.pods" in verdict.message
    assert "spec.quota.storage" in verdict.message
    assert compute(spec).hard == compute(own).hard


@pytest.mark.parametrize("elsewhere", [store()["vectorStore"], {"backend": "None"}])
def test_resources_of_a_store_that_does_not_run_here_mean_nothing(elsewhere: dict[str, Any]) -> None:
    huge = {"requests": {"cpu": "7"}, "limits": {"cpu": "7"}}
    assert compute(TenantSpec.model_validate({"vectorStore": elsewhere | {"resources": huge}})) == compute(
        TenantSpec.model_validate({"vectorStore": elsewhere})
    )


def test_a_storage_class_beside_it_means_nothing() -> None:
    spec = TenantSpec.model_validate(store(storage={"storageClassName": "slow"}))
    assert refusal(spec, TenantRules(storage_classes=("fast",))) is None


def test_volume_claims_that_an_adopted_namespace_still_has_do_not_grow() -> None:
    cluster = steady(**store(storage={"size": "20Gi"}))
    cluster.add(claim("10Gi"))
    assert pass_once(cluster) == ()


def test_a_rotation_ends_without_a_store_of_ones_own() -> None:
    cluster = steady(**store())
    before = dict(cluster.get("Secret", names.CREDENTIALS)["data"])
    cluster.edit("Tenant", "acme", ("metadata", "annotations"), {labels.ROTATE: "now"})
    for _ in range(4):
        pass_once(cluster, later(60))
        cluster.roll_out()
    pass_once(cluster, later(60))
    after = cluster.get("Secret", names.CREDENTIALS)
    assert after["metadata"]["annotations"][labels.ROTATION] == "1"
    assert not [key for key in after["data"] if key.endswith(names.PREVIOUS)]
    assert after["data"].keys() == before.keys()
    assert condition(status(cluster, "Tenant", "acme"))["status"] == "True"
