"""An upgrade of the operator replaces the pods of few tenants at a time; nothing else waits for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from moorage_crds import labels, names
from moorage_operator.reconcile import Action, has_room, reconcile_tenant, rolls_until
from moorage_operator.reconcile.rolls import STORE_POD, WITHOUT_END
from tests.unit.moorage_operator.reconcile.builders import (
    NOW,
    SETTINGS,
    condition,
    keys,
    pass_once,
    status,
    steady,
)
from tests.unit.moorage_operator.reconcile.fake_cluster import FakeCluster

UPGRADED = replace(SETTINGS, agent_image="registry.example/agent:2", weaviate_image="registry.example/weaviate:2")
TRITON, STORE = "Deployment tenant-acme/triton", "StatefulSet tenant-acme/weaviate"
STATUS = "apply status of Tenant acme"


def upgrade(cluster: FakeCluster, *, may_roll: bool = False, **more: Any) -> tuple[Action, ...]:
    """Reconcile once as an operator of another version, with the budget exhausted or not."""
    settings = replace(UPGRADED, **more)
    actions = reconcile_tenant(cluster.world(may_roll=may_roll), settings, NOW, make_key=lambda: "key")
    cluster.execute(actions)
    return actions


def test_with_room_an_upgrade_is_applied_at_once() -> None:
    cluster = steady()
    assert keys(upgrade(cluster, may_roll=True))[:2] == [f"apply {TRITON}", f"apply {STORE}"]


def test_without_room_both_workloads_wait_and_the_tenant_stays_ready() -> None:
    cluster = steady()
    before = [cluster.get(*key)["spec"] for key in (("Deployment", "triton"), ("StatefulSet", "weaviate"))]
    assert keys(upgrade(cluster)) == [f"await the turn of {TRITON}", f"await the turn of {STORE}", STATUS]
    assert [cluster.get(*key)["spec"] for key in (("Deployment", "triton"), ("StatefulSet", "weaviate"))] == before
    ready = condition(status(cluster, "Tenant", "acme"))
    assert (ready["status"], ready["reason"]) == ("True", "UpgradeQueued")


def test_waiting_writes_nothing_more_and_ends_with_the_turn() -> None:
    cluster = steady()
    upgrade(cluster)
    assert keys(upgrade(cluster)) == [f"await the turn of {TRITON}", f"await the turn of {STORE}"]
    assert keys(upgrade(cluster, may_roll=True)) == [f"apply {TRITON}", f"apply {STORE}", STATUS]
    cluster.roll_out()
    upgrade(cluster)
    assert condition(status(cluster, "Tenant", "acme"))["reason"] == "Available"
    assert upgrade(cluster) == ()


def test_only_the_workload_whose_pods_change_waits() -> None:
    cluster = steady()
    waiting = upgrade(cluster, agent_image=SETTINGS.agent_image)
    assert keys(waiting) == [f"await the turn of {STORE}", STATUS]


def test_without_a_change_there_is_nothing_to_wait_for() -> None:
    cluster = steady()
    assert reconcile_tenant(cluster.world(may_roll=False), SETTINGS, NOW) == ()


def test_a_tenants_own_change_does_not_wait() -> None:
    cluster = steady()
    cluster.change_spec("Tenant", "acme", {"inference": {"nodeSelector": {"pool": "a"}}})
    assert f"apply {TRITON}" in keys(upgrade(cluster))


def test_new_keys_do_not_wait() -> None:
    cluster = steady()
    cluster.get("Tenant", "acme")["metadata"]["annotations"] = {labels.ROTATE: "now"}
    pass_once(cluster)
    assert keys(upgrade(cluster))[:2] == [f"apply {TRITON}", f"await the turn of {STORE}"]


def test_a_new_root_key_of_the_store_does_not_wait() -> None:
    cluster = steady()
    cluster.edit("Secret", names.CREDENTIALS, ("data", names.WEAVIATE_ROOT_KEY), None)
    pass_once(cluster)
    assert keys(upgrade(cluster))[:2] == [f"await the turn of {TRITON}", f"apply {STORE}"]


def test_a_suspended_tenant_does_not_wait() -> None:
    cluster = steady()
    cluster.change_spec("Tenant", "acme", {"suspend": True})
    pass_once(cluster)
    cluster.roll_out()
    pass_once(cluster)
    assert keys(upgrade(cluster)) == [f"apply {TRITON}", f"apply {STORE}", STATUS]


def test_a_workload_that_somebody_has_scaled_to_nothing_does_not_wait() -> None:
    cluster = steady()
    cluster.edit("Deployment", "triton", ("spec", "replicas"), 0)
    assert keys(upgrade(cluster))[:2] == [f"apply {TRITON}", f"await the turn of {STORE}"]


def test_a_new_tenant_does_not_wait() -> None:
    cluster = steady()
    fresh = FakeCluster()
    fresh.add({key: cluster.get("Tenant", "acme")[key] for key in ("apiVersion", "kind", "spec")} | {
        "metadata": {"name": "acme"}})  # fmt: skip
    assert f"apply {TRITON}" in keys(upgrade(fresh))


def test_what_replaces_no_pod_does_not_wait() -> None:
    cluster = steady()
    cluster.edit("Deployment", "triton", ("spec", "minReadySeconds"), 3)
    repaired = reconcile_tenant(cluster.world(may_roll=False), SETTINGS, NOW)
    assert f"apply {TRITON}" in keys(repaired)


def test_pods_that_an_autoscaler_counts_wait_too() -> None:
    cluster = steady(inference={"autoscaling": {"min": 1, "max": 3}}, quota={"cpu": "64", "memory": "128Gi"})
    cluster.scale(2)
    pass_once(cluster)
    cluster.roll_out()
    pass_once(cluster)
    assert f"await the turn of {TRITON}" in keys(upgrade(cluster))


def workload(kind: str, pods: int = 2, **status: Any) -> dict[str, Any]:
    ours = {"manager": "moorage-operator", "operation": "Apply", "time": "2026-03-01T12:00:00Z", "fieldsV1": {}}
    metadata = {"generation": 2, "creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": [ours]}
    return {"kind": kind, "metadata": metadata, "spec": {"replicas": pods}, "status": status}


def progressing(reason: str) -> list[dict[str, str]]:
    return [{"type": "Available", "status": "False", "reason": "x"}, {"type": "Progressing", "reason": reason}]


DONE: dict[str, Any] = {"observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 2}
NEXT: dict[str, Any] = {"currentRevision": "a", "updateRevision": "b"}
SAME: dict[str, Any] = {"currentRevision": "b", "updateRevision": "b"}
STORE_END = NOW + 2 * STORE_POD

CASES: dict[str, tuple[dict[str, Any], datetime | None]] = {
    "a Deployment that nobody has looked at": (workload("Deployment", **DONE | {"observedGeneration": 1}), WITHOUT_END),
    "a Deployment with an old pod": (workload("Deployment", **DONE | {"updatedReplicas": 1}), WITHOUT_END),
    "a Deployment whose old pods serve until the new ones do": (
        workload("Deployment", **DONE | {"replicas": 3, "conditions": progressing("ReplicaSetUpdated")}),
        WITHOUT_END,
    ),
    "a Deployment that still tells of its last roll": (
        workload(
            "Deployment",
            **DONE | {"replicas": 2, "updatedReplicas": 0, "conditions": progressing("NewReplicaSetAvailable")},
        ),
        WITHOUT_END,
    ),
    "a Deployment with a new pod that is not available": (
        workload("Deployment", **DONE | {"availableReplicas": 1, "conditions": progressing("ReplicaSetUpdated")}),
        WITHOUT_END,
    ),
    "a Deployment without status": ({**workload("Deployment"), "status": None}, WITHOUT_END),
    "a Deployment that is done": (workload("Deployment", **DONE), None),
    "a Deployment that lost a pod later": (
        workload("Deployment", **DONE | {"availableReplicas": 1, "conditions": progressing("NewReplicaSetAvailable")}),
        None,
    ),
    "a Deployment that gave up": (
        workload(
            "Deployment",
            **DONE | {"updatedReplicas": 1, "conditions": progressing("ProgressDeadlineExceeded")},
        ),
        None,
    ),
    "a Deployment that gave up an earlier template": (
        workload(
            "Deployment", **DONE | {"observedGeneration": 1, "conditions": progressing("ProgressDeadlineExceeded")}
        ),
        WITHOUT_END,
    ),
    "a Deployment without pods": (workload("Deployment", 0), None),
    "a StatefulSet that nobody has looked at": (
        workload("StatefulSet", **DONE | SAME | {"observedGeneration": 1}),
        WITHOUT_END,
    ),
    "a StatefulSet with an old pod": (workload("StatefulSet", **DONE | NEXT | {"updatedReplicas": 1}), STORE_END),
    "a StatefulSet whose last new pod is not ready": (workload("StatefulSet", **DONE | NEXT), STORE_END),
    "a StatefulSet that is done": (workload("StatefulSet", **DONE | SAME), None),
    "a StatefulSet that lost a pod later": (workload("StatefulSet", **DONE | SAME | {"availableReplicas": 1}), None),
    "a StatefulSet without pods": (workload("StatefulSet", 0, **NEXT), None),
}


@pytest.mark.parametrize("name", CASES)
def test_a_workload_is_being_rolled_until_its_controller_says_it_is_over(name: str) -> None:
    observed, until = CASES[name]
    assert rolls_until(observed) == until


def test_without_a_write_of_ours_a_stores_time_counts_from_its_making() -> None:
    foreign = workload("StatefulSet", **DONE | NEXT)
    foreign["metadata"]["managedFields"] = [
        {"manager": "kubectl", "operation": "Apply", "time": "2026-03-01T12:00:00Z"}
    ]
    assert rolls_until(foreign) == datetime.fromisoformat("2026-01-01T00:00:00Z") + timedelta(minutes=30)


@pytest.mark.parametrize(
    ("rolling", "room"),
    [([], True), (["a"], True), (["a", "a", "a"], True), (["a", "b"], False), (["a", "a", "b"], False)],
)
def test_there_is_room_for_as_many_tenants_as_the_budget_says(rolling: list[str], *, room: bool) -> None:
    assert has_room(rolling, 2) is room
