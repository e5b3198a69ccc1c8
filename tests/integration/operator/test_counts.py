"""How many requests the operator needs, counted one by one in the API server's audit log."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.integration.operator.plane import WRITES, Asked, Manifest, Plane, tenant
from tests.integration.operator.process import OperatorProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    Start = Callable[..., OperatorProcess]

TENANTS = [f"count-{number:02d}" for number in range(20)]
BESIDES_CHILDREN = 3
"""The finalizer, and at most two statuses."""
FORBIDDEN = 403


def is_applied(plane: Plane, name: str) -> bool:
    found = plane.read(tenant(name)) or {}
    return bool((found.get("status") or {}).get("observedGeneration") == found["metadata"]["generation"])


def is_work(one: Asked) -> bool:
    return not one.is_bookkeeping


@pytest.fixture(scope="module")
def asked(plane: Plane, operator: OperatorProcess) -> list[Asked]:
    """What the operator asked for from nothing until 20 tenants were applied and nothing was left to write."""
    assert operator.popen.poll() is None
    plane.settle()
    mark = plane.mark()
    for name in TENANTS:
        plane.apply(tenant(name, members=[{"kind": "User", "name": "alice", "role": "admin"}]))
    for name in TENANTS:
        plane.wait(partial(is_applied, plane, name), f"tenant {name}", seconds=60)
    plane.settle()
    return [one for one in plane.asked(mark) if is_work(one)]


def of(asked: list[Asked], name: str) -> list[Asked]:
    return [one for one in asked if f"tenant-{name}" in (one.namespace, one.name) or one.name == name]


def until_applied(asked: list[Asked]) -> list[Asked]:
    """Return the requests up to the first status: later ones follow the pods."""
    first = next(at for at, one in enumerate(asked) if (one.resource, one.subresource) == ("tenants", "status"))
    return asked[: first + 1]


@pytest.mark.parametrize("name", TENANTS)
def test_a_tenant_costs_at_most_3_requests_more_than_it_has_children(
    plane: Plane, asked: list[Asked], name: str
) -> None:
    children = len(plane.children(name)) + 1
    answered = [one for one in until_applied(of(asked, name)) if one.code != FORBIDDEN]
    assert len(answered) <= children + BESIDES_CHILDREN


def test_a_binding_that_the_authorizer_has_not_seen_yet_costs_few_tries(asked: list[Asked]) -> None:
    """Refused tries come on top of the budget: how late the authorizer is depends on the machine alone."""
    assert len([one for one in asked if one.code == FORBIDDEN]) <= len(TENANTS)


@pytest.mark.parametrize("name", TENANTS)
def test_a_child_is_written_once(asked: list[Asked], name: str) -> None:
    written = Counter((one.resource, one.name) for one in of(asked, name) if not one.subresource and one.code < 300)
    assert [one for one, times in written.items() if times > 1] == []


def test_nothing_is_read_one_by_one(asked: list[Asked]) -> None:
    assert [one for one in asked if one.verb not in WRITES] == []


def test_nothing_conflicts(asked: list[Asked]) -> None:
    assert [one for one in asked if one.code == 409] == []


def test_every_request_belongs_to_one_of_the_tenants(asked: list[Asked]) -> None:
    assert sum(len(of(asked, name)) for name in TENANTS) == len(asked)


def test_a_touch_that_means_nothing_is_answered_with_no_write(plane: Plane, asked: list[Asked]) -> None:
    assert asked
    mark = plane.mark()
    for name in TENANTS:
        touched: Manifest = {
            "metadata": {"annotations": {"example.com/touched": "yes"}, "labels": {"example.com/a": "b"}}
        }
        assert plane.kube.merge(tenant(name), touched).is_success
    plane.settle()
    assert plane.writes(mark) == []


def test_a_restart_writes_nothing(plane: Plane, asked: list[Asked], operator: OperatorProcess, start: Start) -> None:
    assert asked
    operator.stop()
    mark = plane.mark()
    again = start("operator-again")
    again.wait_for_leadership()
    plane.wait(lambda: (again.metric("moorage_operator_reconcile_seconds_count") or 0) >= len(TENANTS), "every tenant")
    plane.wait(lambda: again.metric("moorage_operator_queue_depth") == 0, "an empty queue")
    plane.settle()
    assert plane.writes(mark) == []
