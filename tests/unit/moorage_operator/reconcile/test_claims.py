"""The vector store's volumes grow with the spec, one careful step after the other."""

from __future__ import annotations

from typing import Any

import pytest

from moorage_operator.reconcile import Apply, Delete
from tests.unit.moorage_operator.reconcile.builders import claim, condition, keys, pass_once, status, steady
from tests.unit.moorage_operator.reconcile.fake_cluster import FakeCluster


def growing(*claims: dict[str, Any], size: str = "20Gi", **store: Any) -> FakeCluster:
    """Return a cluster with these claims whose spec now asks for a larger size."""
    cluster = steady(vectorStore=store, quota={"cpu": "16", "memory": "32Gi"})
    for one in claims:
        cluster.add(one)
    pass_once(cluster)
    cluster.change_spec("Tenant", "acme", {"vectorStore": {**store, "storage": {"size": size}}})
    return cluster


def template_size(cluster: FakeCluster) -> str:
    (template,) = cluster.get("StatefulSet", "weaviate")["spec"]["volumeClaimTemplates"]
    size: str = template["spec"]["resources"]["requests"]["storage"]
    return size


def test_claims_grow_first_and_the_pods_run_on() -> None:
    cluster = growing(claim())
    (grown, _) = pass_once(cluster)
    assert isinstance(grown, Apply)
    assert grown.key == "apply PersistentVolumeClaim tenant-acme/data-weaviate-0"
    assert grown.manifest["spec"] == {"resources": {"requests": {"storage": "20Gi"}}}
    assert template_size(cluster) == "10Gi"
    (gone, *_) = pass_once(cluster)
    assert isinstance(gone, Delete)
    assert (gone.key, gone.orphans) == ("delete StatefulSet tenant-acme/weaviate", True)
    assert keys(pass_once(cluster))[0] == "apply StatefulSet tenant-acme/weaviate"
    assert template_size(cluster) == "20Gi"
    cluster.roll_out()
    pass_once(cluster)
    assert pass_once(cluster) == ()
    assert condition(status(cluster, "Tenant", "acme"))["status"] == "True"


def test_every_claim_of_a_replicated_store_grows() -> None:
    cluster = growing(*(claim(number=number) for number in range(3)), replicas=3)
    grown = [key for key in keys(pass_once(cluster)) if "PersistentVolumeClaim" in key]
    assert grown == [f"apply PersistentVolumeClaim tenant-acme/data-weaviate-{number}" for number in range(3)]


def test_a_claim_that_is_not_bound_is_waited_for() -> None:
    cluster = growing(claim(phase="Pending"))
    assert [key for key in keys(pass_once(cluster)) if "status" not in key] == []
    assert template_size(cluster) == "10Gi"
    cluster.get("PersistentVolumeClaim", "data-weaviate-0")["status"]["phase"] = "Bound"
    assert keys(pass_once(cluster))[0] == "apply PersistentVolumeClaim tenant-acme/data-weaviate-0"


def test_a_claim_that_somebody_made_larger_is_left_alone() -> None:
    cluster = growing(claim("40Gi"))
    assert not any("PersistentVolumeClaim" in key for key in keys(pass_once(cluster)))


def test_the_same_size_written_otherwise_is_no_growth() -> None:
    cluster = growing(claim(), size="10240Mi")
    assert not any("PersistentVolumeClaim" in key or "delete" in key for key in keys(pass_once(cluster)))


def test_storage_that_cannot_grow_keeps_nothing_else_from_being_written() -> None:
    cluster = growing(claim())
    cluster.change_spec("Tenant", "acme", {"members": [{"kind": "User", "name": "bob", "role": "viewer"}]})
    written = keys(pass_once(cluster))
    assert written.index("apply PersistentVolumeClaim tenant-acme/data-weaviate-0") == len(written) - 2
    assert "apply RoleBinding tenant-acme/moorage-viewer" in written[:-2]


def test_an_ending_stateful_set_is_waited_for() -> None:
    cluster = growing(claim("20Gi"))
    cluster.get("StatefulSet", "weaviate")["metadata"]["deletionTimestamp"] = "2026-03-01T00:00:00Z"
    assert not any("StatefulSet" in key for key in keys(pass_once(cluster)))


@pytest.mark.parametrize(("replicas", "expected"), [(1, None), (3, "3")])
def test_three_pods_vote_and_keep_three_copies(replicas: int, expected: str | None) -> None:
    cluster = steady(vectorStore={"replicas": replicas}, quota={"cpu": "16", "memory": "32Gi"})
    found = cluster.get("StatefulSet", "weaviate")["spec"]
    (container,) = found["template"]["spec"]["containers"]
    environment = {one["name"]: one.get("value") for one in container["env"]}
    assert found["replicas"] == replicas
    assert environment["RAFT_JOIN"] == ",".join(f"weaviate-{number}" for number in range(replicas))
    assert environment["RAFT_BOOTSTRAP_EXPECT"] == str(replicas)
    assert environment.get("REPLICATION_MINIMUM_FACTOR") == expected
    assert cluster.has("PodDisruptionBudget", "weaviate") is (replicas == 3)
