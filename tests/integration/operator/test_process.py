"""Processes that come and go: restart, rollout, crash, and an API server that was away."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.integration.operator.plane import Plane, child, tenant
from tests.integration.operator.process import OperatorProcess
from tests.integration.operator.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable

    Start = Callable[..., OperatorProcess]


def make(plane: Plane, name: str) -> None:
    plane.apply(tenant(name))
    plane.wait(lambda: plane.read(child("apps/v1", "StatefulSet", name, "weaviate")), f"tenant {name}")


def leads(one: OperatorProcess) -> bool:
    return one.metric("moorage_operator_leader") == 1


def says(one: OperatorProcess, message: str) -> bool:
    return any(line["message"] == message for line in one.lines())


def test_a_restart_writes_nothing(plane: Plane, start: Start) -> None:
    first = start()
    first.wait_for_leadership()
    for name in ("restart-a", "restart-b", "restart-c"):
        make(plane, name)
    plane.settle()
    first.stop()
    assert first.popen.returncode == 0
    mark = plane.mark()
    second = start("operator-1")
    second.wait_for_leadership(seconds=15)
    time.sleep(3)
    assert plane.writes(mark) == []
    assert second.metric("moorage_operator_tenants") == len(plane.kube.request("GET", TENANTS).json()["items"])


TENANTS = "/apis/moorage.dev/v1alpha1/tenants"


def test_a_rollout_hands_the_lease_over_and_the_standby_writes_nothing(plane: Plane, start: Start) -> None:
    first = start("operator-a")
    first.wait_for_leadership()
    second = start("operator-b")
    plane.wait(lambda: second.metric("moorage_operator_tenants") is not None, "the standby")
    make(plane, "handover")
    plane.settle()
    assert not leads(second)
    assert second.metric("moorage_operator_writes_total") is None
    first.stop()
    plane.wait(lambda: leads(second), "the standby's turn")
    assert says(first, "released the lease"), "the standby was to get the lease, not to wait for its end"
    make(plane, "after-handover")


def test_after_a_crash_the_standby_repairs(plane: Plane, start: Start) -> None:
    first = start("operator-a")
    first.wait_for_leadership()
    make(plane, "crash")
    plane.settle()
    start("operator-b")
    time.sleep(3)
    first.kill()
    one = child("v1", "Service", "crash", "weaviate")
    before = plane.uid(one)
    assert plane.kube.delete(one).is_success
    plane.wait(lambda: plane.uid(one) not in (None, before), "the repair", seconds=60)
    assert not says(first, "released the lease")


@pytest.mark.timeout(180)
def test_what_was_deleted_while_the_watch_was_away_is_put_back_after_410(plane: Plane, start: Start) -> None:
    with Proxy(plane.control.url) as proxy:
        one = start("operator-a", url=proxy.url)
        one.wait_for_leadership()
        make(plane, "gap")
        plane.settle()
        proxy.cut()
        limits = child("v1", "LimitRange", "gap", "moorage")
        before = plane.uid(limits)
        assert plane.kube.delete(limits).is_success
        outlive_compaction(plane)
        proxy.mend()
        plane.wait(lambda: plane.uid(limits) not in (None, before), "the repair after the gap", seconds=60)
        gone = [line for line in one.lines() if line.get("kind") == "LimitRange" and "410" in line.get("error", "")]
        assert gone, "the gap was to end in 410"


def outlive_compaction(plane: Plane) -> None:
    """Wait until etcd has forgotten the version at which the watch stopped; compaction needs new versions to act."""
    for number in range(8):
        made = child("v1", "ConfigMap", "gap", f"noise-{number}")
        plane.apply(made)
        time.sleep(1)


def test_an_operator_that_may_not_read_does_not_take_the_lease(plane: Plane, start: Start) -> None:
    """Without its rights it never syncs; a process that can work must find the Lease free."""
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "moorage-operator"},
    }
    kept = plane.read(binding)
    assert kept
    plane.kube.delete(binding)
    try:
        blind = start("operator-blind")
        time.sleep(6)
        assert not leads(blind)
        assert blind.popen.poll() is None
    finally:
        plane.apply({**binding, "roleRef": kept["roleRef"], "subjects": kept["subjects"]})
    blind.wait_for_leadership(seconds=40)
