"""A retained namespace keeps data and fence; a new Tenant of the name gets it by naming its tenantID only."""

from typing import Any

import pytest

from moorage_crds import labels, names
from moorage_operator.reconcile import ApplyStatus, Delete
from tests.unit.moorage_operator.reconcile.builders import (
    claim,
    condition,
    keys,
    model,
    pass_once,
    status,
    steady,
    tenant,
)
from tests.unit.moorage_operator.reconcile.fake_cluster import FakeCluster

RETAINED = {
    ("LimitRange", "moorage"),
    ("ModelDeployment", "digits"),
    ("Namespace", "tenant-acme"),
    ("NetworkPolicy", "default-deny"),
    ("NetworkPolicy", "triton"),
    ("NetworkPolicy", "weaviate"),
    ("PersistentVolumeClaim", "data-weaviate-0"),
    ("ResourceQuota", "moorage"),
    ("RoleBinding", "moorage-operator"),
    ("Secret", names.CREDENTIALS),
}


def leaving(**spec: Any) -> FakeCluster:
    """Return a cluster whose tenant, with a member, a model and a volume, is being deleted with ``Retain``."""
    members = [{"kind": "User", "name": "alice", "role": "admin"}]
    autoscaling = {"autoscaling": {"min": 1, "max": 3, "targetCPU": 80}}
    cluster = steady(**{"deletionPolicy": "Retain", "members": members, "inference": autoscaling} | spec)
    cluster.add(model())
    cluster.add(claim())
    pass_once(cluster)
    cluster.edit("Tenant", "acme", ("metadata", "deletionTimestamp"), "2026-03-01T00:00:00Z")
    return cluster


def left() -> FakeCluster:
    """Return a cluster in which a retained namespace is all there is."""
    cluster = leaving()
    while ("Tenant", None, "acme") in cluster.objects:
        pass_once(cluster)
    return cluster


def tenant_id(cluster: FakeCluster) -> str:
    annotations: dict[str, str] = cluster.get("Namespace", "tenant-acme")["metadata"]["annotations"]
    return annotations[labels.TENANT_ID]


def test_pods_end_before_rights_go_and_the_tenant_last() -> None:
    cluster = leaving()
    (triton, weaviate, said) = pass_once(cluster)
    for action, kind in ((triton, "Deployment"), (weaviate, "StatefulSet")):
        assert isinstance(action, Delete)
        assert (action.kind, action.with_dependents) == (kind, True)
    assert isinstance(said, ApplyStatus)
    ready = condition(status(cluster, "Tenant", "acme"))
    assert (ready["reason"], "tenant-acme stays" in ready["message"]) == ("Deleting", True)
    assert keys(pass_once(cluster)) == [
        "delete HorizontalPodAutoscaler tenant-acme/triton",
        "delete PodDisruptionBudget tenant-acme/triton",
        "delete RoleBinding tenant-acme/moorage-admin",
        "delete RoleBinding tenant-acme/moorage-agent",
        "delete RoleBinding tenant-acme/moorage-developer",
        "delete RoleBinding tenant-acme/moorage-viewer",
        "delete Service tenant-acme/triton",
        "delete Service tenant-acme/weaviate",
        "delete Service tenant-acme/weaviate-headless",
        "delete ServiceAccount tenant-acme/moorage-admin",
        "delete ServiceAccount tenant-acme/moorage-agent",
        "delete ServiceAccount tenant-acme/moorage-developer",
        "delete ServiceAccount tenant-acme/moorage-viewer",
        "delete ServiceAccount tenant-acme/weaviate",
    ]
    assert keys(pass_once(cluster)) == ["remove finalizer from Tenant acme"]


def test_data_secret_models_quota_and_fence_stay() -> None:
    cluster = left()
    found = {(kind, name) for kind, _, name in cluster.objects if kind != "ControllerRevision"}
    assert found == RETAINED
    assert any(kind == "ControllerRevision" for kind, *_ in cluster.objects)


def test_it_waits_for_pods_that_are_ending() -> None:
    cluster = leaving()
    for kind, name in (("Deployment", "triton"), ("StatefulSet", "weaviate")):
        cluster.edit(kind, name, ("metadata", "deletionTimestamp"), "2026-03-01T00:00:00Z")
    assert keys(pass_once(cluster)) == ["apply status of Tenant acme"]
    assert pass_once(cluster) == ()


def test_without_its_own_binding_the_operator_takes_it_back_first() -> None:
    cluster = leaving()
    del cluster.objects["RoleBinding", "tenant-acme", "moorage-operator"]
    assert keys(pass_once(cluster))[0] == "apply RoleBinding tenant-acme/moorage-operator"
    assert keys(pass_once(cluster))[0] == "delete Deployment tenant-acme/triton"


def test_a_spec_that_cannot_be_met_keeps_no_tenant_for_ever() -> None:
    cluster = leaving()
    cluster.change_spec("Tenant", "acme", {"network": {"egress": {"cidrs": ["1.2.3.4/99"]}}})
    for _ in range(3):
        pass_once(cluster)
    assert ("Tenant", None, "acme") not in cluster.objects
    assert cluster.has("Secret", names.CREDENTIALS)


def test_a_retained_namespace_that_somebody_deletes_is_waited_for() -> None:
    cluster = leaving()
    cluster.get("Namespace", "tenant-acme")["metadata"]["deletionTimestamp"] = "2026-03-01T00:00:00Z"
    assert keys(pass_once(cluster)) == ["apply status of Tenant acme"]
    cluster.sweep()
    assert keys(pass_once(cluster)) == ["remove finalizer from Tenant acme"]


def test_its_models_wait_for_a_tenant() -> None:
    cluster = left()
    pass_once(cluster)
    assert condition(status(cluster))["reason"] == "TenantNotFound"
    assert pass_once(cluster) == ()


@pytest.mark.parametrize("annotations", [{}, {labels.ADOPT: "another"}, {labels.ADOPT: ""}], ids=str)
def test_a_new_tenant_of_the_name_is_told_how_to_get_it_and_gets_nothing(annotations: dict[str, str]) -> None:
    cluster = left()
    pass_once(cluster)
    fresh = tenant()
    cluster.add(fresh | {"metadata": fresh["metadata"] | {"annotations": annotations}})
    assert keys(pass_once(cluster)) == ["apply status of Tenant acme"]
    ready = condition(status(cluster, "Tenant", "acme"))
    assert ready["reason"] == "NamespaceForeign"
    assert f"{labels.ADOPT}: {tenant_id(cluster)}" in ready["message"]
    assert pass_once(cluster) == ()


def test_a_new_tenant_that_names_the_tenant_id_takes_over_everything() -> None:
    cluster = left()
    known = tenant_id(cluster)
    secret = cluster.get("Secret", names.CREDENTIALS)["metadata"]["uid"]
    fresh = tenant()
    made = cluster.add(fresh | {"metadata": fresh["metadata"] | {"annotations": {labels.ADOPT: known}}})
    assert made["metadata"]["uid"] != known
    pass_once(cluster)
    cluster.roll_out()
    pass_once(cluster)
    assert status(cluster, "Tenant", "acme")["tenantID"] == tenant_id(cluster) == known
    assert condition(status(cluster, "Tenant", "acme"))["status"] == "True"
    assert cluster.get("Secret", names.CREDENTIALS)["metadata"]["uid"] == secret
    assert condition(status(cluster))["reason"] == "NoReadyReplicas"
    assert pass_once(cluster) == ()


def test_an_adopted_namespace_stays_its_tenants_without_the_annotation() -> None:
    cluster = left()
    fresh = tenant()
    cluster.add(fresh | {"metadata": fresh["metadata"] | {"annotations": {labels.ADOPT: tenant_id(cluster)}}})
    pass_once(cluster)
    cluster.roll_out()
    pass_once(cluster)
    cluster.edit("Tenant", "acme", ("metadata", "annotations"), None)
    assert pass_once(cluster) == ()


def test_a_tenant_id_never_names_a_new_namespace() -> None:
    cluster = FakeCluster()
    fresh = tenant()
    made = cluster.add(fresh | {"metadata": fresh["metadata"] | {"annotations": {labels.ADOPT: "of-somebody-else"}}})
    pass_once(cluster)
    assert tenant_id(cluster) == made["metadata"]["uid"]
