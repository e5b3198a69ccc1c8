from __future__ import annotations

import pytest

from moorage_crds import names
from moorage_operator.runtime import trim
from moorage_operator.runtime.cache import Cache
from tests.unit.moorage_operator.runtime.objects import Manifest, manifest


def by_namespace(one: Manifest) -> str | None:
    return names.tenant_of_namespace(one["metadata"]["namespace"])


@pytest.fixture
def cache() -> Cache:
    return Cache(by_namespace, trim.plain)


def known(cache: Cache) -> dict[str, int]:
    return {entry.name[1]: entry.version for tenant in list(cache.tenants()) for entry in cache.of_tenant(tenant)}


def test_an_object_is_found_by_name_and_by_tenant(cache: Cache) -> None:
    cache.observe(manifest("triton", 5, spec={"a": 1}))
    entry = cache.get("tenant-acme", "triton")
    assert entry is not None
    assert entry.manifest() == manifest("triton", 5, spec={"a": 1})
    assert [one.name for one in cache.of_tenant("acme")] == [("tenant-acme", "triton")]
    assert list(cache.of_tenant("other")) == []


def test_an_object_of_no_tenant_is_not_kept(cache: Cache) -> None:
    assert cache.observe(manifest("x", 1, namespace="kube-system")) is None
    assert len(cache) == 0


def test_a_decoded_object_is_nobody_elses(cache: Cache) -> None:
    cache.observe(manifest("triton", 5, spec={"a": 1}))
    entry = cache.get("tenant-acme", "triton")
    assert entry is not None
    entry.manifest()["spec"]["a"] = 2
    assert entry.manifest()["spec"]["a"] == 1


def managed(manager: str) -> Manifest:
    entries = [{"manager": manager, "operation": "Apply", "fieldsV1": {"f:spec": {"f:a": {}}}}]
    return {"metadata": {**manifest("x", 5)["metadata"], "managedFields": entries}}


def test_equal_managed_fields_of_different_objects_are_kept_once(cache: Cache) -> None:
    for name in ("x", "y"):
        one = manifest(name, 5) | managed(names.FIELD_MANAGER)
        cache.observe({**one, "metadata": {**one["metadata"], "name": name}})
    first, second = (entry.manifest()["metadata"]["managedFields"] for entry in cache.of_tenant("acme"))
    assert first is second
    assert first == managed(names.FIELD_MANAGER)["metadata"]["managedFields"]


def test_an_older_state_changes_nothing(cache: Cache) -> None:
    cache.observe(manifest("triton", 7))
    assert cache.observe(manifest("triton", 6)) is None
    assert known(cache) == {"triton": 7}


def test_our_own_write_counts_before_the_watch_tells_of_it(cache: Cache) -> None:
    cache.observe(manifest("triton", 5))
    change = cache.wrote(manifest("triton", 9, spec={"a": 1}))
    assert change is not None
    assert change.is_visible
    assert cache.observe(manifest("triton", 9, spec={"a": 1})) is None
    assert known(cache) == {"triton": 9}


def test_a_late_answer_to_our_write_brings_nothing_back_that_was_deleted(cache: Cache) -> None:
    cache.observe(manifest("triton", 5))
    cache.observe(manifest("triton", 6))
    cache.deleted(manifest("triton", 7))
    assert cache.wrote(manifest("triton", 6)) is None
    assert known(cache) == {}


def test_a_deletion_that_is_older_than_the_new_object_of_the_name_is_ignored(cache: Cache) -> None:
    cache.observe(manifest("triton", 5, uid="old"))
    cache.wrote(manifest("triton", 9, uid="new"))
    assert cache.deleted(manifest("triton", 7, uid="old")) is None
    assert known(cache) == {"triton": 9}


def test_what_we_deleted_is_not_brought_back_by_a_watch_that_lags(cache: Cache) -> None:
    cache.observe(manifest("triton", 5))
    change = cache.erased("tenant-acme", "triton", "u1")
    assert change is not None
    assert change.new is None
    assert cache.observe(manifest("triton", 6)) is None
    assert cache.deleted(manifest("triton", 7)) is None
    assert known(cache) == {}
    assert cache.observe(manifest("triton", 8, uid="u2")) is not None


def test_a_deletion_of_another_uid_leaves_the_new_object_alone(cache: Cache) -> None:
    cache.observe(manifest("triton", 9, uid="new"))
    assert cache.erased("tenant-acme", "triton", "old") is None
    assert known(cache) == {"triton": 9}


def test_a_list_drops_what_it_lacks(cache: Cache) -> None:
    cache.observe(manifest("kept", 3))
    cache.observe(manifest("ghost", 4, uid="u2"))
    listing = cache.listing(10)
    listing.page([manifest("kept", 3)])
    gone = listing.finish()
    assert [change.old.name[1] for change in gone if change.old] == ["ghost"]
    assert known(cache) == {"kept": 3}
    assert cache.progress == 10


def test_a_list_keeps_what_we_wrote_after_it_was_made(cache: Cache) -> None:
    listing = cache.listing(10)
    listing.page([])
    cache.wrote(manifest("new", 12))
    assert listing.finish() == []
    assert known(cache) == {"new": 12}


def test_pages_add_up_to_one_list(cache: Cache) -> None:
    listing = cache.listing(10)
    listing.page([manifest("a", 1)])
    listing.page([manifest("b", 2, uid="u2")])
    assert listing.finish() == []
    assert known(cache) == {"a": 1, "b": 2}


def test_a_store_put_back_to_a_backup_is_believed(cache: Cache) -> None:
    cache.observe(manifest("a", 50))
    cache.observe(manifest("lost", 60, uid="u2"))
    listing = cache.listing(20)
    listing.page([manifest("a", 15)])
    listing.finish()
    assert known(cache) == {"a": 15}
    assert cache.progress == 20


def test_a_bare_new_version_is_kept_and_invisible(cache: Cache) -> None:
    cache.observe(manifest("triton", 5))
    change = cache.observe(manifest("triton", 6))
    assert change is not None
    assert not change.is_visible
    assert known(cache) == {"triton": 6}


@pytest.mark.parametrize("difference", [{"uid": "u2"}, {"spec": {"a": 1}}, managed(names.FIELD_MANAGER)])
def test_another_content_or_uid_is_visible(cache: Cache, difference: Manifest) -> None:
    cache.observe(manifest("triton", 5))
    changed = manifest("triton", 6)
    more = {key: {**changed.get(key, {}), **value} if key == "metadata" else value for key, value in difference.items()}
    change = cache.observe(changed | more)
    assert change is not None
    assert change.is_visible


def test_a_tenant_whose_last_object_is_gone_is_forgotten(cache: Cache) -> None:
    for number in range(100):
        cache.observe(manifest("triton", 2 * number + 1, namespace=f"tenant-t{number}", uid=str(number)))
        cache.deleted(manifest("triton", 2 * number + 2, namespace=f"tenant-t{number}", uid=str(number)))
    assert list(cache.tenants()) == []
