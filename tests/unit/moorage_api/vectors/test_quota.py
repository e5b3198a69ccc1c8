"""The object quota is exact where it matters, and costs nothing where it does not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest

from moorage_api.errors import QuotaExceededError
from moorage_api.vectors.model import Collection
from moorage_api.vectors.quota import ObjectQuota
from tests.support.api import tenant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moorage_api.vectors.backends.base import VectorBackend

DOCS, NOTES = (Collection(name, 2, "cosine", None) for name in ("docs", "notes"))


@dataclass
class Counting:
    """A store that holds ids and counts how often it is asked."""

    held: dict[str, set[str]] = field(default_factory=lambda: {"docs": set(), "notes": set()})
    asked: int = 0

    async def collections(self) -> list[Collection]:
        return [DOCS, NOTES]

    async def count(self, collection: Collection) -> int:
        self.asked += 1
        return len(self.held[collection.name])

    async def present(self, collection: Collection, ids: Sequence[str]) -> int:
        return len(self.held[collection.name] & set(ids))


async def put(quota: ObjectQuota, store: Counting, collection: Collection, *ids: str, **given: Any) -> None:
    await quota.admit(tenant(quota=given), cast("VectorBackend", store), collection, ids)
    store.held[collection.name] |= set(ids)


async def test_all_collections_count_together() -> None:
    quota, store = ObjectQuota(), Counting()
    await put(quota, store, DOCS, "a", "b", objects=3)
    await put(quota, store, NOTES, "a", objects=3)
    with pytest.raises(QuotaExceededError, match=r"spec\.quota\.objects is 3, and there are 3"):
        await put(quota, store, NOTES, "b", objects=3)


async def test_replacing_objects_takes_no_room() -> None:
    quota, store = ObjectQuota(), Counting()
    for _ in range(5):
        await put(quota, store, DOCS, "a", "b", objects=2)
    with pytest.raises(QuotaExceededError):
        await put(quota, store, DOCS, "a", "c", objects=2)


async def test_deleting_makes_room() -> None:
    quota, store = ObjectQuota(), Counting()
    await put(quota, store, DOCS, "a", "b", objects=2)
    store.held["docs"].clear()
    await put(quota, store, DOCS, "c", objects=2)


async def test_a_raised_quota_makes_room_and_a_lowered_one_takes_it() -> None:
    quota, store = ObjectQuota(), Counting()
    await put(quota, store, DOCS, "a", objects=1)
    await put(quota, store, DOCS, "b", objects=2)
    with pytest.raises(QuotaExceededError):
        await put(quota, store, DOCS, "c", objects=1)
    await put(quota, store, DOCS, "c")


async def test_far_below_the_quota_the_store_is_counted_once() -> None:
    quota, store = ObjectQuota(), Counting()
    for number in range(50):
        await put(quota, store, DOCS, str(number), objects=1000)
    assert store.asked == 2
