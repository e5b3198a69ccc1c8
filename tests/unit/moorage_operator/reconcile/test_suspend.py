"""Suspending a tenant takes its pods and nothing else; resuming brings them back as they were."""

from moorage_operator.reconcile import Apply
from tests.unit.moorage_operator.reconcile.builders import (
    condition,
    keys,
    model,
    pass_once,
    promote,
    serving,
    source,
    status,
    steady,
)
from tests.unit.moorage_operator.reconcile.fake_cluster import FakeCluster

WORKLOADS = (("Deployment", "triton"), ("StatefulSet", "weaviate"))


def suspended() -> FakeCluster:
    cluster = steady()
    cluster.change_spec("Tenant", "acme", {"suspend": True})
    pass_once(cluster)
    return cluster


def conditions(cluster: FakeCluster, kind: str = "Tenant", name: str = "acme") -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["status"], one["reason"]) for one in status(cluster, kind, name)["conditions"]}


def test_suspending_changes_two_numbers_and_no_other_field() -> None:
    cluster = steady()
    before = {key: cluster.get(*key)["spec"] for key in WORKLOADS}
    cluster.change_spec("Tenant", "acme", {"suspend": True})
    assert keys(pass_once(cluster)) == [
        "apply Deployment tenant-acme/triton",
        "apply StatefulSet tenant-acme/weaviate",
        "apply status of Tenant acme",
    ]
    for key, spec in before.items():
        assert cluster.get(*key)["spec"] == spec | {"replicas": 0}


def test_a_suspended_tenant_is_progressing_until_its_last_pod_has_ended() -> None:
    cluster = suspended()
    assert conditions(cluster)["Ready"] == ("False", "Progressing")
    cluster.roll_out()
    pass_once(cluster)
    assert conditions(cluster) == {
        "Ready": ("True", "Suspended"),
        "Reconciling": ("False", "Suspended"),
        "Stalled": ("False", "Suspended"),
        "IsolationReady": ("True", "Available"),
        "CredentialsReady": ("True", "Available"),
        "InferenceReady": ("True", "Suspended"),
        "VectorStoreReady": ("True", "Suspended"),
        "ModelsReady": ("True", "Available"),
    }
    assert pass_once(cluster) == ()


def test_resuming_brings_the_pods_back() -> None:
    cluster = suspended()
    cluster.roll_out()
    pass_once(cluster)
    cluster.change_spec("Tenant", "acme", {"suspend": False})
    written = [action.manifest for action in pass_once(cluster) if isinstance(action, Apply)]
    assert [one["spec"]["replicas"] for one in written] == [1, 1]
    assert conditions(cluster)["InferenceReady"] == ("False", "PodsNotReady")
    cluster.roll_out()
    pass_once(cluster)
    assert conditions(cluster)["Ready"] == ("True", "Available")
    assert pass_once(cluster) == ()


def test_a_model_waits_with_its_traffic_while_its_tenant_is_suspended() -> None:
    cluster, stable = serving()
    cluster.change_spec("Tenant", "acme", {"suspend": True})
    cluster.set_pods()
    pass_once(cluster)
    found = status(cluster)
    assert (condition(found)["status"], condition(found)["reason"]) == ("False", "Suspended")
    assert [share["revision"] for share in found["traffic"]] == [stable]
    assert conditions(cluster)["ModelsReady"] == ("False", "Suspended")


def test_a_change_made_while_suspended_is_served_once_resumed() -> None:
    cluster, before = serving()
    cluster.change_spec("Tenant", "acme", {"suspend": True})
    cluster.set_pods()
    cluster.change_spec("ModelDeployment", "digits", model(source=source("two"))["spec"])
    pass_once(cluster)
    assert status(cluster)["stableRevision"] == before
    cluster.change_spec("Tenant", "acme", {"suspend": False})
    cluster.set_pods("triton-b")
    after = promote(cluster)
    assert status(cluster)["stableRevision"] == after != before


def test_a_tenant_born_suspended_gets_its_room_and_no_pod() -> None:
    cluster = steady(suspend=True)
    assert [cluster.get(*key)["spec"]["replicas"] for key in WORKLOADS] == [0, 0]
    assert conditions(cluster)["Ready"] == ("True", "Suspended")


def test_without_a_vector_store_nothing_is_said_of_one() -> None:
    cluster = steady(suspend=True, vectorStore={"backend": "None"})
    assert conditions(cluster)["VectorStoreReady"] == ("True", "NotRequested")
