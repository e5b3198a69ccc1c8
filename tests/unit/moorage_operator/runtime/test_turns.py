"""Whose turn it is, counted in the caches."""

from __future__ import annotations

from typing import Any

import pytest

from moorage_crds import names
from moorage_operator.reconcile import Apply, AwaitTurn
from moorage_operator.runtime.store import Store
from moorage_operator.runtime.turns import Turns
from tests.unit.moorage_operator.runtime.fake_clock import FakeClock
from tests.unit.moorage_operator.runtime.objects import Manifest, manifest


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def turns(store: Store, clock: FakeClock) -> Turns:
    return Turns(store, clock, budget=2)


def workload(tenant: str, version: int, kind: str = "Deployment", *, is_done: bool = False) -> Manifest:
    counts = {"updatedReplicas": 1, "availableReplicas": 1} if is_done else {}
    more: dict[str, Any] = {"spec": {"replicas": 1}, "status": {"observedGeneration": 1, **counts}}
    made = manifest("w", version, namespace=f"tenant-{tenant}", uid=f"{tenant}-{kind}", kind=kind, **more)
    made["metadata"]["generation"] = 1
    return made


def roll(store: Store, *tenants: str) -> None:
    for number, tenant in enumerate(tenants):
        store.caches["Deployment"].observe(workload(tenant, number + 1))


def change(tenant: str, version: str | None = "7") -> Apply:
    metadata = {"name": names.TRITON, "namespace": f"tenant-{tenant}"}
    return Apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}, version)


def wait(tenant: str) -> AwaitTurn:
    return AwaitTurn("Deployment", f"tenant-{tenant}", names.TRITON)


def test_as_many_tenants_as_the_budget_says_are_rolled_at_once(store: Store, turns: Turns) -> None:
    roll(store, "a")
    assert turns.may_roll("x")
    roll(store, "a", "b")
    assert not turns.may_roll("x")
    assert turns.may_roll("a")


def test_a_tenant_counts_once_however_many_workloads_it_rolls(store: Store, turns: Turns) -> None:
    roll(store, "a")
    store.caches["StatefulSet"].observe({**workload("a", 2, "StatefulSet"), "status": {}})
    assert turns.may_roll("x")


def test_a_roll_that_ends_or_is_deleted_makes_room(store: Store, turns: Turns) -> None:
    roll(store, "a", "b")
    store.caches["Deployment"].observe(workload("a", 5, is_done=True))
    assert turns.may_roll("x")
    roll(store, "c")
    store.caches["Deployment"].observe(workload("c", 6))
    assert not turns.may_roll("x")
    store.caches["Deployment"].deleted(workload("b", 8))
    assert turns.may_roll("x")


async def test_a_store_that_never_ends_its_roll_makes_room_in_the_end(
    store: Store, turns: Turns, clock: FakeClock
) -> None:
    for number, tenant in enumerate(("a", "b")):
        stuck = workload(tenant, number + 1, "StatefulSet")
        stuck["status"] = {"observedGeneration": 1, "currentRevision": "a", "updateRevision": "b"}
        stuck["metadata"]["creationTimestamp"] = clock.now().isoformat()
        store.caches["StatefulSet"].observe(stuck)
    await clock.advance(899)
    assert not turns.may_roll("x")
    await clock.advance(2)
    assert turns.may_roll("x")


def test_a_write_takes_its_place_before_its_answer_is_there(turns: Turns) -> None:
    turns.decided("a", [change("a")])
    turns.decided("b", [change("b")])
    assert not turns.may_roll("x")
    assert turns.may_roll("a")
    turns.executed("a")
    assert turns.may_roll("x")


def test_making_a_new_workload_takes_no_place(turns: Turns) -> None:
    for tenant in ("a", "b"):
        turns.decided(tenant, [change(tenant, None)])
    assert turns.may_roll("x")


def test_who_waited_longest_is_next_once_there_is_room(store: Store, turns: Turns) -> None:
    roll(store, "a", "b")
    for tenant in ("z", "y"):
        turns.decided(tenant, [wait(tenant)])
    assert (turns.next(), len(turns)) == (None, 2)
    store.caches["Deployment"].observe(workload("a", 5, is_done=True))
    assert (turns.next(), len(turns)) == ("z", 1)
    turns.decided("y", [])
    assert (turns.next(), len(turns)) == (None, 0)


def test_a_process_that_begins_to_lead_remembers_nothing(turns: Turns) -> None:
    for tenant in ("a", "b"):
        turns.decided(tenant, [change(tenant), wait(tenant)])
    turns.begin()
    assert (turns.may_roll("x"), turns.next(), len(turns)) == (True, None, 0)
