"""What agents are told, and may read, to fetch sources."""

from __future__ import annotations

from typing import Any

import pytest

from moorage_crds import labels, names
from tests.unit.moorage_operator.reconcile.builders import (
    condition,
    keys,
    load,
    model,
    pass_once,
    promote,
    serving,
    status,
    steady,
)
from tests.unit.moorage_operator.reconcile.fake_cluster import FakeCluster

ROLE = ("Role", names.SOURCES_ROLE)
BINDING = ("RoleBinding", names.SOURCES_ROLE)


def remote(name: str = "m", named: str | None = "mine") -> dict[str, Any]:
    found: dict[str, Any] = {"uri": f"https://models.example/{name}.zip", "sha256": "0" * 64}
    return found | ({"credentialsSecretRef": {"name": named}} if named else {})


def readable(cluster: FakeCluster) -> list[str]:
    """Return the Secrets that the agents may read."""
    if not cluster.has(*ROLE):
        assert not cluster.has(*BINDING)
        return []
    (rule,) = cluster.get(*ROLE)["rules"]
    assert (rule["apiGroups"], rule["resources"], rule["verbs"]) == ([""], ["secrets"], ["get"])
    found: list[str] = rule["resourceNames"]
    return found


def told(cluster: FakeCluster) -> dict[str, str | None]:
    """Return the Secret that agents are told for each revision, by hash."""
    return {
        name[-8:]: found["metadata"].get("annotations", {}).get(labels.CREDENTIALS_FROM)
        for (kind, _, name), found in cluster.objects.items()
        if kind == "ControllerRevision"
    }


def test_agents_may_read_no_secret_while_no_source_names_one() -> None:
    cluster, _ = serving()
    assert readable(cluster) == []


def test_agents_may_read_exactly_the_secrets_that_sources_name() -> None:
    cluster = steady()
    cluster.add(model("one", source=remote(named="b")))
    cluster.add(model("two", source=remote(named="a")))
    cluster.add(model("three", source=remote(named="a")))
    actions = keys(pass_once(cluster))
    assert readable(cluster) == ["a", "b"]
    assert cluster.get(*BINDING)["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Role",
        "name": names.SOURCES_ROLE,
    }
    assert cluster.get(*BINDING)["subjects"] == [
        {"kind": "ServiceAccount", "name": names.AGENT_SERVICE_ACCOUNT, "namespace": "tenant-acme"}
    ]
    rights = [actions.index(f"apply {kind} tenant-acme/{names.SOURCES_ROLE}") for kind in ("Role", "RoleBinding")]
    assert max(rights) < min(actions.index(each) for each in actions if "ControllerRevision" in each)
    assert pass_once(cluster) == ()


@pytest.mark.parametrize("name", [names.CREDENTIALS, "moorage-other"])
def test_moorages_own_secrets_are_never_granted(name: str) -> None:
    cluster = steady()
    cluster.add(model(source=remote(named=name)))
    pass_once(cluster)
    assert readable(cluster) == []


def test_the_right_goes_with_the_last_model_that_needs_it() -> None:
    cluster = steady()
    made = cluster.add(model(source=remote()))
    pass_once(cluster)
    made["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    cluster.objects = {key: found for key, found in cluster.objects.items() if key[0] != "ControllerRevision"}
    pass_once(cluster)
    assert readable(cluster) == []


def test_another_secret_makes_no_other_revision_and_is_told_at_once() -> None:
    cluster, _ = serving()
    cluster.change_spec("ModelDeployment", "digits", {"source": remote(named="old")})
    revision = promote(cluster)
    cluster.change_spec("ModelDeployment", "digits", {"source": remote(named="new")})
    assert keys(pass_once(cluster))[:2] == [
        f"apply Role tenant-acme/{names.SOURCES_ROLE}",
        f"apply ControllerRevision tenant-acme/digits-{revision}",
    ]
    assert told(cluster)[revision] == "new"
    assert status(cluster)["stableRevision"] == revision
    assert "candidateRevision" not in status(cluster)
    cluster.change_spec("ModelDeployment", "digits", {"source": remote(named=None)})
    pass_once(cluster)
    assert told(cluster)[revision] is None
    pass_once(cluster)
    assert readable(cluster) == []
    assert pass_once(cluster) == ()


def test_the_serving_revision_keeps_the_secret_it_was_fetched_with() -> None:
    cluster, _ = serving()
    cluster.change_spec("ModelDeployment", "digits", {"source": remote("m", "old")})
    stable = promote(cluster)
    cluster.change_spec("ModelDeployment", "digits", {"source": remote("n", "new")})
    pass_once(cluster)
    candidate = status(cluster)["candidateRevision"]
    assert (told(cluster)[stable], told(cluster)[candidate]) == ("old", "new")
    pass_once(cluster)
    assert readable(cluster) == ["new", "old"]


def recorded(cluster: FakeCluster) -> dict[str, str | None]:
    """Return the digest on record of each revision, by hash."""
    return {
        name[-8:]: found["metadata"].get("annotations", {}).get(labels.SOURCE_DIGEST)
        for (kind, _, name), found in cluster.objects.items()
        if kind == "ControllerRevision"
    }


def test_the_first_digest_of_a_folder_is_recorded_for_good() -> None:
    cluster, first = serving("one", "triton-a", "triton-b")
    cluster.change_spec("ModelDeployment", "digits", {"source": {"uri": "s3://models/digits"}})
    pass_once(cluster)
    candidate = status(cluster)["candidateRevision"]
    assert recorded(cluster) == {first: None, candidate: None}
    load(cluster, "triton-b", candidate, "Loading", sourceDigest="b" * 64)
    assert keys(pass_once(cluster))[0] == f"apply ControllerRevision tenant-acme/digits-{candidate}"
    load(cluster, "triton-a", candidate, "Loading", sourceDigest="a" * 64)
    pass_once(cluster)
    assert recorded(cluster) == {first: None, candidate: "b" * 64}


def test_a_cleared_status_loses_no_digest() -> None:
    cluster, _ = serving()
    cluster.change_spec("ModelDeployment", "digits", {"source": {"uri": "s3://models/digits"}})
    pass_once(cluster)
    candidate = status(cluster)["candidateRevision"]
    load(cluster, "triton-a", candidate, "Loaded", sourceDigest="a" * 64)
    pass_once(cluster)
    cluster.get("ModelDeployment", "digits")["status"] = {}
    pass_once(cluster)
    assert recorded(cluster)[candidate] == "a" * 64


def opened(cluster: FakeCluster) -> list[str]:
    """Return the ranges that agents are told, of revisions that are told any."""
    annotations = [
        found["metadata"].get("annotations", {}) for (kind, *_), found in cluster.objects.items() if "Revision" in kind
    ]
    return [each[labels.EGRESS_CIDRS] for each in annotations if labels.EGRESS_CIDRS in each]


def test_sources_may_lead_where_the_tenant_opens_its_network_and_no_pod_restarts_for_it() -> None:
    cluster = steady(network={"egress": {"cidrs": ["10.0.0.0/8", "fd00::/8"]}})
    cluster.add(model("remote", source=remote(named=None)))
    cluster.add(model("inline"))
    pass_once(cluster)
    pod = cluster.get("Deployment", names.TRITON)["spec"]
    assert opened(cluster) == ["10.0.0.0/8,fd00::/8"]
    cluster.change_spec("Tenant", "acme", {"network": {"egress": {"cidrs": ["10.0.0.0/8"]}}})
    pass_once(cluster)
    assert opened(cluster) == ["10.0.0.0/8"]
    cluster.change_spec("Tenant", "acme", {"network": {"egress": {"mode": "None", "cidrs": ["10.0.0.0/8"]}}})
    pass_once(cluster)
    assert opened(cluster) == []
    assert cluster.get("Deployment", names.TRITON)["spec"] == pod
    assert pass_once(cluster) == ()


def deployment(*claims: str) -> dict[str, Any]:
    return steady(inference={"modelClaims": list(claims)}).get("Deployment", names.TRITON)


def test_only_the_agent_mounts_the_claims_that_the_tenant_names_and_only_to_read() -> None:
    pod = deployment("weights", "models.v2")["spec"]["template"]["spec"]
    claims = {
        volume["name"]: volume["persistentVolumeClaim"] for volume in pod["volumes"] if "claim-" in volume["name"]
    }
    assert claims == {
        "claim-0": {"claimName": "models.v2", "readOnly": True},
        "claim-1": {"claimName": "weights", "readOnly": True},
    }
    (agent,), (triton,) = pod["initContainers"], pod["containers"]
    assert [mount for mount in agent["volumeMounts"] if mount["name"] in claims] == [
        {"name": "claim-0", "mountPath": "/claims/models.v2", "readOnly": True},
        {"name": "claim-1", "mountPath": "/claims/weights", "readOnly": True},
    ]
    assert not {mount["name"] for mount in triton["volumeMounts"]} & claims.keys()


def test_claims_in_another_order_restart_no_pod_and_no_claims_leave_pods_as_they_were() -> None:
    assert deployment("a", "b")["spec"] == deployment("b", "a")["spec"]
    assert deployment()["spec"] == steady().get("Deployment", names.TRITON)["spec"]


def test_claims_come_and_go_with_the_spec() -> None:
    cluster = steady()
    before = cluster.get("Deployment", names.TRITON)["spec"]
    cluster.change_spec("Tenant", "acme", {"inference": {"modelClaims": ["models"]}})
    assert "apply Deployment tenant-acme/triton" in keys(pass_once(cluster))
    assert cluster.get("Deployment", names.TRITON)["spec"] != before
    cluster.change_spec("Tenant", "acme", {"inference": {}})
    pass_once(cluster)
    assert cluster.get("Deployment", names.TRITON)["spec"] == before


def test_a_secret_that_cannot_be_used_shows_and_leaves_the_serving_revision_alone() -> None:
    cluster, first = serving()
    cluster.change_spec("ModelDeployment", "digits", {"source": remote()})
    pass_once(cluster)
    candidate = status(cluster)["candidateRevision"]
    cluster.report("digits", "triton-a", (first, "Loaded", ""), (candidate, "FetchFailed", "lacks the label"))
    status(cluster)["replicas"][0]["revisions"][1]["reason"] = "SecretNotUsable"
    pass_once(cluster)
    assert condition(status(cluster))["reason"] == "SecretNotUsable"
    assert status(cluster)["traffic"][0]["revision"] == first
