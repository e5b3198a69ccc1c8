"""The store's one rule: the higher resourceVersion wins, whoever brings it."""

from __future__ import annotations

from typing import Any

import pytest

from moorage_api.kube.store import EventType, Store


def an_object(version: int, name: str = "a", namespace: str = "tenant-acme") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace, "resourceVersion": str(version)}, "seen": version}


@pytest.fixture
def store() -> Store[int]:
    return Store(lambda manifest: int(manifest["seen"]))


def test_an_observed_object_is_read_at_once(store: Store[int]) -> None:
    store.observe(an_object(5))
    assert store.get("tenant-acme", "a") == 5
    assert store.of_namespace("tenant-acme") == [5]
    assert store.get("tenant-other", "a") is None


@pytest.mark.parametrize("event", ["ADDED", "MODIFIED", "DELETED"])
def test_a_late_event_takes_nothing_newer_away(store: Store[int], event: EventType) -> None:
    store.observe(an_object(10))
    store.apply(event, an_object(9))
    assert store.get("tenant-acme", "a") == 10


def test_versions_compare_as_numbers(store: Store[int]) -> None:
    store.observe(an_object(9))
    store.apply("MODIFIED", an_object(10))
    assert store.get("tenant-acme", "a") == 10


def test_a_deleted_object_is_gone(store: Store[int]) -> None:
    store.observe(an_object(9))
    store.apply("DELETED", an_object(10))
    assert store.of_namespace("tenant-acme") == []


def test_deleting_the_unknown_changes_nothing(store: Store[int]) -> None:
    store.apply("DELETED", an_object(10))
    assert store.of_namespace("tenant-acme") == []


def test_a_relist_forgets_what_was_deleted_meanwhile_and_keeps_what_was_written_since(store: Store[int]) -> None:
    store.observe(an_object(3, "deleted"))
    store.observe(an_object(4, "kept"))
    store.observe(an_object(12, "written-since"))
    store.replace([an_object(4, "kept"), an_object(8, "new"), an_object(6, "written-since")], version=10)
    assert store.of_namespace("tenant-acme") == [4, 8, 12]
