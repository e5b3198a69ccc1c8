"""The number of Triton pods passes from the spec to its autoscaler and back, and is never reset on the way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.moorage_operator.reconcile.builders import condition, keys, pass_once, status, steady
from tests.unit.moorage_operator.reconcile.fake_cluster import FakeCluster

AUTO = {
    "autoscaling": {"min": 2, "max": 4, "targetCPU": 70},
    "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
}
ROOM = {"cpu": "16", "memory": "32Gi"}


def scaled(replicas: int | None = 3, **spec: Any) -> FakeCluster:
    """Return a steady cluster with an autoscaler that has set a number, or has not yet."""
    cluster = steady(**{"inference": AUTO, "quota": ROOM} | spec)
    if replicas is not None:
        cluster.scale(replicas)
        cluster.roll_out()
        pass_once(cluster)
    return cluster


def pods(cluster: FakeCluster) -> int:
    count: int = cluster.get("Deployment", "triton")["spec"]["replicas"]
    return count


def test_the_autoscaler_watches_tritons_container() -> None:
    found = scaled(None).get("HorizontalPodAutoscaler", "triton")["spec"]
    assert (found["minReplicas"], found["maxReplicas"]) == (2, 4)
    assert found["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "triton"}
    (metric,) = found["metrics"]
    assert metric["containerResource"]["container"] == "triton"
    assert metric["containerResource"]["target"] == {"type": "Utilization", "averageUtilization": 70}


def test_the_operator_says_the_least_number_until_the_autoscaler_says_one() -> None:
    cluster = scaled(None)
    assert pods(cluster) == 2
    assert pass_once(cluster) == ()


def test_turning_it_on_keeps_the_pods_that_there_are() -> None:
    cluster = steady(inference={"replicas": 3}, quota=ROOM)
    cluster.change_spec("Tenant", "acme", {"inference": {"replicas": 3, **AUTO}})
    pass_once(cluster)
    assert pods(cluster) == 3


def test_a_number_that_the_autoscaler_set_is_left_alone_whatever_else_changes() -> None:
    cluster = scaled(3)
    assert pass_once(cluster) == ()
    cluster.change_spec("Tenant", "acme", {"inference": {**AUTO, "nodeSelector": {"pool": "a"}}})
    assert "apply Deployment tenant-acme/triton" in keys(pass_once(cluster))
    assert pods(cluster) == 3
    cluster.scale(4)
    cluster.roll_out()
    pass_once(cluster)
    assert pods(cluster) == 4


def test_taking_it_away_gives_the_number_back_to_the_spec() -> None:
    cluster = scaled(4)
    cluster.change_spec("Tenant", "acme", {"inference": {"replicas": 1}})
    written = keys(pass_once(cluster))
    assert "delete HorizontalPodAutoscaler tenant-acme/triton" in written
    assert pods(cluster) == 1
    cluster.roll_out()
    pass_once(cluster)
    assert pass_once(cluster) == ()


def test_a_scaling_without_autoscaler_is_put_back() -> None:
    cluster = steady()
    cluster.scale(5)
    pass_once(cluster)
    assert pods(cluster) == 1


def test_a_suspended_tenant_sleeps_and_wakes_although_its_autoscaler_would_let_it_sleep() -> None:
    cluster = scaled(3)
    cluster.change_spec("Tenant", "acme", {"suspend": True})
    pass_once(cluster)
    assert pods(cluster) == 0
    cluster.change_spec("Tenant", "acme", {"suspend": False})
    pass_once(cluster)
    assert pods(cluster) == 2


EXTERNAL = AUTO | {"autoscaling": {"class": "External", "min": 2, "max": 4}}


def test_an_external_scaler_gets_no_autoscaler_beside_it_and_begins_at_the_least_number() -> None:
    cluster = scaled(None, inference=EXTERNAL)
    assert not cluster.has("HorizontalPodAutoscaler", "triton")
    assert pods(cluster) == 2
    assert pass_once(cluster) == ()


def test_a_number_that_an_external_scaler_set_is_left_alone_whatever_else_changes() -> None:
    cluster = scaled(4, inference=EXTERNAL)
    assert pass_once(cluster) == ()
    cluster.change_spec("Tenant", "acme", {"inference": {**EXTERNAL, "nodeSelector": {"pool": "a"}}})
    assert "apply Deployment tenant-acme/triton" in keys(pass_once(cluster))
    assert pods(cluster) == 4


def test_the_number_passes_from_the_autoscaler_to_an_external_scaler_without_a_reset() -> None:
    cluster = scaled(3)
    cluster.change_spec("Tenant", "acme", {"inference": EXTERNAL})
    assert keys(pass_once(cluster))[0] == "delete HorizontalPodAutoscaler tenant-acme/triton"
    assert pods(cluster) == 3
    cluster.scale(2)
    cluster.roll_out()
    pass_once(cluster)
    assert pods(cluster) == 2


@pytest.mark.parametrize("bounds", [AUTO, EXTERNAL], ids=["HPA", "External"])
def test_the_quota_holds_as_many_pods_as_there_may_be(bounds: dict[str, Any]) -> None:
    cluster = steady(inference=bounds, quota={"pods": 4})
    assert condition(status(cluster, "Tenant", "acme"))["reason"] == "QuotaExceeded"
    assert "the pods need 5" in condition(status(cluster, "Tenant", "acme"))["message"]


def test_an_autoscaler_without_figures_says_so() -> None:
    cluster = scaled(3)
    told = {
        "type": "ScalingActive",
        "status": "False",
        "reason": "FailedGetResourceMetric",
        "message": "no figures",
    }
    cluster.get("HorizontalPodAutoscaler", "triton")["status"] = {"conditions": [told]}
    pass_once(cluster)
    found = condition(status(cluster, "Tenant", "acme"), "InferenceReady")
    assert (found["status"], found["reason"], found["message"]) == ("True", "AutoscalerBlind", "no figures")
    assert condition(status(cluster, "Tenant", "acme"))["status"] == "True"
