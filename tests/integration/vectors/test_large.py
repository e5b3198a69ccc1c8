"""Deletions beyond the 10,000 objects at which one call of Weaviate stops without a word."""

from __future__ import annotations

import pytest

from tests.integration.vectors.conftest import Shop

MANY = 10_500


@pytest.mark.timeout(300)
async def test_a_deletion_by_filter_counts_exactly_beyond_ten_thousand(shop: Shop) -> None:  # 8
    await shop.make(dimensions=1)
    for start in range(0, MANY, 1000):
        batch = range(start, min(start + 1000, MANY))
        await shop.put(*({"id": str(at), "vector": [1.0], "metadata": {"old": at != 7}} for at in batch))
    assert await shop.count() == MANY
    assert await shop.delete(filter={"old": True}) == MANY - 1
    assert await shop.count() == 1
