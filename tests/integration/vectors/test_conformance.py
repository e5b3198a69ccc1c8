"""What makes a vector store a backend; the numbers are those of the conformance list in the design notes."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from moorage_api.errors import InvalidFieldsError, QuotaExceededError
from moorage_api.vectors.errors import InvalidFilterError, WrongDimensionError
from moorage_api.vectors.filters.parse import parse
from moorage_api.vectors.filters.truth import matches
from moorage_crds.errors import ConflictError, NotFoundError
from tests.integration.vectors.conftest import Shop

METADATA: dict[str, dict[str, Any]] = {
    "web": {"source": "web", "year": 2020, "score": 0.5, "ok": True, "tags": ["red", "blue"], "ns": [1, 2]},
    "Web": {"source": "Web", "year": 2021.0, "ok": False, "tags": ["red"], "at": "2024-05-01T00:00:00Z"},
    "words": {"source": "the web page", "year": -3, "at": "2024-05-01T02:30:00+03:00", "tags": ["Red"]},
    "spaces": {"source": " web ", "at": "2024-05-01", "flags": [True]},
    "empty": {"source": "", "tags": [], "ns": [2.5]},
    "mixed": {"source": 5, "year": "2020", "ok": "true", "tags": "red", "at": 5},
    "null": {"source": None, "year": None},
    "odd": {"dotted.key": "x", "schlüssel 🔑": "wért", "UPPER": 1, "upper": 2, 'quo"te': 'a"b'},
    "bare": {},
}

FILTERS: list[dict[str, Any]] = [
    {},
    {"source": "web"},
    {"source": {"$eq": "Web"}},
    {"source": "the web page"},
    {"source": "page"},
    {"source": " web "},
    {"source": ""},
    {"source": 5},
    {"source": 5.0},
    {"year": 2020},
    {"year": 2021},
    {"year": "2020"},
    {"score": 0.5},
    {"ok": True},
    {"ok": False},
    {"ok": "true"},
    {"ok": 1},
    {"source": {"$ne": "web"}},
    {"year": {"$ne": 2020}},
    {"nowhere": {"$ne": 1}},
    {"nowhere": 1},
    {"source": {"$in": ["web", "Web", 5]}},
    {"source": {"$nin": ["web", "Web", 5]}},
    {"source": {"$in": []}},
    {"source": {"$nin": []}},
    {"year": {"$in": [2020, 2021, -3]}},
    {"at": {"$in": ["2024-05-01T00:00:00Z"]}},
    {"ok": {"$in": [True, "true"]}},
    {"source": {"$exists": True}},
    {"source": {"$exists": False}},
    {"tags": {"$exists": True}},
    {"nowhere": {"$exists": True}},
    {"nowhere": {"$exists": False}},
    {"year": None},
    {"year": {"$ne": None}},
    {"year": {"$gt": 2020}},
    {"year": {"$gte": 2020}},
    {"year": {"$lt": 2020}},
    {"year": {"$lte": 2020}},
    {"year": {"$gte": -3, "$lt": 2021}},
    {"at": {"$gte": "2024-05-01T00:00:00Z"}},
    {"at": {"$lt": "2024-05-01T00:00:00Z"}},
    {"at": {"$lt": "2024-05-01T01:00:00+02:00"}},
    {"at": "2024-05-01T03:00:00+03:00"},
    {"at": {"$gt": 4}},
    {"tags": {"$contains_any": ["red"]}},
    {"tags": {"$contains_any": ["Red", "blue"]}},
    {"tags": {"$contains_all": ["red", "blue"]}},
    {"tags": {"$contains_all": ["red"]}},
    {"ns": {"$contains_any": [2, 7]}},
    {"ns": {"$contains_all": [1, 2]}},
    {"flags": {"$contains_any": [True]}},
    {"tags": "red"},
    {"$not": {"tags": {"$contains_any": ["red"]}}},
    {"$not": {"year": {"$gt": 2020}}},
    {"year": {"$not": {"$gt": 2020}}},
    {"$not": {"$not": {"source": "web"}}},
    {"$or": [{"source": "web"}, {"year": {"$lt": 0}}, {"nowhere": 1}]},
    {"$and": [{"source": {"$ne": "web"}}, {"$or": [{"ok": False}, {"tags": {"$exists": False}}]}]},
    {"$not": {"$or": [{"source": "web"}, {"nowhere": {"$ne": 1}}]}},
    {"$not": {"$and": [{"source": {"$exists": True}}, {"year": {"$exists": True}}]}},
    {"dotted.key": "x"},
    {"schlüssel 🔑": "wért"},
    {"UPPER": 1},
    {"upper": 1},
    {'quo"te': 'a"b'},
]


@pytest.fixture
async def stocked(shop: Shop) -> Shop:
    await shop.make()
    results = await shop.put(*({"id": each, "metadata": metadata} for each, metadata in METADATA.items()))
    assert results.stored == len(METADATA)
    return shop


def expected(filter_: dict[str, Any]) -> set[str]:
    return {each for each, metadata in METADATA.items() if matches(parse(filter_), metadata)}


async def test_an_empty_collection_finds_nothing(shop: Shop) -> None:  # 1
    await shop.make()
    assert await shop.find() == []
    assert await shop.find(filter={"source": "web"}) == []


async def test_what_was_stored_is_got_back_under_its_own_id(shop: Shop) -> None:  # 2
    await shop.make()
    metadata = {"source": "web", "year": 2020, "pi": 3.5, "ok": True, "tags": ["a"], "none": None, "list": []}
    ids = ["a", "b/c", "ü 🔑", "A", "0"]
    await shop.put(*({"id": each, "text": f"text of {each}", "metadata": metadata} for each in ids))
    for each in ids:
        found = await shop.vectors.get(shop.tenant, "docs", each)
        assert (found.id, found.text, tuple(found.vector)) == (each, f"text of {each}", (1.0, 0.0, 0.0))
        assert found.metadata == {key: value for key, value in metadata.items() if value is not None}
    with pytest.raises(NotFoundError):
        await shop.vectors.get(shop.tenant, "docs", "b")


async def test_the_same_id_twice_is_one_object_without_its_old_metadata(shop: Shop) -> None:  # 3
    await shop.make()
    await shop.put({"id": "a", "text": "old", "metadata": {"old": 1, "both": 1}})
    await shop.put({"id": "a", "vector": [0.0, 1.0, 0.0], "metadata": {"both": 2}})
    found = await shop.vectors.get(shop.tenant, "docs", "a")
    assert (found.text, found.metadata, tuple(found.vector)) == (None, {"both": 2}, (0.0, 1.0, 0.0))
    assert await shop.count() == 1
    assert await shop.ids({"old": {"$exists": True}}) == set()
    assert await shop.ids({"old": 1}) == set()
    assert await shop.ids({"both": 2}) == {"a"}


async def test_of_one_id_twice_in_a_request_the_last_counts(shop: Shop) -> None:  # 4
    await shop.make()
    results = await shop.put({"id": "a", "metadata": {"n": 1}}, {"id": "b"}, {"id": "a", "metadata": {"n": 2}})
    assert [(item.id, item.status) for item in results.items] == [
        ("a", "superseded"),
        ("b", "stored"),
        ("a", "stored"),
    ]
    assert (results.stored, results.failed, await shop.count()) == (2, 0, 2)
    assert (await shop.vectors.get(shop.tenant, "docs", "a")).metadata == {"n": 2}


async def test_a_wrong_dimension_is_refused_and_nothing_is_stored(shop: Shop) -> None:  # 6
    await shop.make()
    with pytest.raises(WrongDimensionError, match=r"objects\.1\.vector: expected 3 numbers"):
        await shop.put({"id": "good"}, {"id": "bad", "vector": [1.0, 0.0]})
    with pytest.raises(WrongDimensionError):
        await shop.find(vector=[1.0])
    assert await shop.count() == 0


async def test_deleting_ids_counts_those_that_were_there(shop: Shop) -> None:  # 7
    await shop.make()
    await shop.put({"id": "a"}, {"id": "b"}, {"id": "c"})
    assert await shop.delete(ids=["a", "b", "b", "unknown"]) == 2
    assert await shop.delete(ids=["a", "b"]) == 0
    assert await shop.ids({}) == {"c"}


async def test_a_filter_finds_what_its_truth_says(stocked: Shop) -> None:  # 10-18
    # One test for all: a collection with this many fields takes seconds to make.
    found = {str(filter_): await stocked.ids(filter_) for filter_ in FILTERS}
    assert found == {str(filter_): expected(filter_) for filter_ in FILTERS}


async def test_random_filters_find_what_their_truth_says(stocked: Shop) -> None:  # 17
    dice = random.Random(7)  # noqa: S311 - the same filters in every run
    leaves = [each for each in FILTERS if each and not each.keys() & {"$and", "$or", "$not"}]

    def grow(depth: int) -> dict[str, Any]:
        if depth == 0:
            return dice.choice(leaves)
        match dice.choice(["$and", "$or", "$not"]):
            case "$not":
                return {"$not": grow(depth - 1)}
            case operator:
                return {operator: [grow(depth - 1) for _ in range(dice.randint(1, 3))]}

    for _ in range(60):
        filter_ = grow(dice.randint(1, 3))
        assert await stocked.ids(filter_) == expected(filter_), filter_


UNKEPT: list[dict[str, Any]] = [
    {"nested": {"a": 1}},
    {"mixed": [1, "a"]},
    {"nested": [[1]]},
    {"holes": [1, None]},
    {"huge": 2**53 + 1},
    {"nan": math.nan},
    {"infinite": [math.inf]},
    {"half": "\ud800"},
    {"$eq": 1},
    {"long": "x" * 41_000},
]


async def test_metadata_that_cannot_be_kept_is_refused_and_nothing_is_stored(shop: Shop) -> None:  # 18
    await shop.make()
    for metadata in UNKEPT:
        with pytest.raises(InvalidFieldsError, match=r"objects\.1\.metadata"):
            await shop.put({"id": "good"}, {"id": "bad", "metadata": metadata})
    assert await shop.count() == 0


METRICS = {
    "cosine": ([[1, 0, 0], [1, 1, 0], [0, 1, 0], [-1, 0, 0]], [0.0, 1 - math.sqrt(0.5), 1.0, 2.0]),
    "l2": ([[1, 0, 0], [1, 1, 0], [1, 2, 0], [-1, 0, 0]], [0.0, 1.0, 4.0, 4.0]),
    "dot": ([[90, 0, 0], [50, 0, 0], [0, 1, 0], [-5, 0, 0]], [-90.0, -50.0, 0.0, 5.0]),
}


@pytest.mark.parametrize("metric", METRICS)
async def test_scores_fall_from_the_best_within_their_range(shop: Shop, metric: str) -> None:  # 19
    vectors, distances = METRICS[metric]
    await shop.make(metric=metric)
    await shop.put(*({"id": str(at), "vector": vector} for at, vector in enumerate(vectors)))
    hits = await shop.find()
    scores = [hit.score for hit in hits]
    assert [hit.distance for hit in hits] == pytest.approx(distances, abs=1e-5)
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert scores[0] > scores[1] > scores[2]
    assert metric == "dot" or scores[0] == pytest.approx(1.0)


async def test_keywords_are_found_in_texts(shop: Shop) -> None:
    await shop.make()
    await shop.put(
        {"id": "harbour", "text": "Boats moor in the harbour", "metadata": {"n": 1}},
        {"id": "forest", "text": "Trees stand in the forest", "metadata": {"n": 2}},
    )
    (hit,) = await shop.find(keyword="HARBOUR")
    assert (hit.found.id, hit.distance) == ("harbour", None)
    assert 0 < hit.score < 1
    assert await shop.find(keyword="harbour", filter={"n": 2}) == []


async def test_one_tenant_never_meets_anothers_objects(shop: Shop, rival: Shop) -> None:  # 22
    await shop.make()
    await rival.make(dimensions=2)
    await shop.put({"id": "a", "text": "of acme"})
    assert await rival.find(vector=[1.0, 0.0]) == []
    with pytest.raises(NotFoundError):
        await rival.vectors.get(rival.tenant, "docs", "a")
    assert await rival.delete(ids=["a"]) == 0
    await rival.put({"id": "a", "text": "of rival", "vector": [1.0, 0.0]})
    assert [each.name for each in await rival.vectors.collections(rival.tenant)] == ["docs"]
    await rival.vectors.drop(rival.tenant, "docs")
    assert (await shop.vectors.get(shop.tenant, "docs", "a")).text == "of acme"


async def test_a_tenant_made_again_under_its_name_sees_nothing_of_the_old_one(shop: Shop, rival: Shop) -> None:
    await shop.make()
    reborn = Shop(shop.vectors, {**shop.tenant, "status": {"tenantID": rival.tenant["metadata"]["uid"]}})
    assert await reborn.vectors.collections(reborn.tenant) == []
    with pytest.raises(NotFoundError):
        await reborn.count()


async def test_a_filter_leaves_enough_hits_when_enough_match(shop: Shop) -> None:  # 23
    await shop.make()
    far, near = [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]
    wanted = [{"id": f"far-{at}", "vector": far, "metadata": {"kind": "wanted"}} for at in range(10)]
    await shop.put(*wanted, *({"id": f"near-{at}", "vector": near} for at in range(490)))
    hits = await shop.find(filter={"kind": "wanted"}, top_k=10)
    assert {hit.found.id for hit in hits} == {each["id"] for each in wanted}


async def test_a_collection_is_told_as_it_was_made(shop: Shop) -> None:
    await shop.make("b", dimensions=2, metric="dot")
    await shop.make("a")
    assert [(each.name, each.dimensions, each.metric) for each in await shop.vectors.collections(shop.tenant)] == [
        ("a", 3, "cosine"),
        ("b", 2, "dot"),
    ]
    with pytest.raises(ConflictError):
        await shop.make("a")
    await shop.vectors.drop(shop.tenant, "a")
    for call in (shop.count("a"), shop.find("a"), shop.vectors.drop(shop.tenant, "a")):
        with pytest.raises(NotFoundError):
            await call


async def test_a_filter_that_breaks_the_grammar_is_refused_by_its_path(stocked: Shop) -> None:
    with pytest.raises(InvalidFilterError, match=r"filter\.year\.\$near: expected one of \$eq"):
        await stocked.find(filter={"year": {"$near": 1}})


async def test_a_constant_filter_deletes_everything_or_nothing(stocked: Shop) -> None:
    assert await stocked.delete(filter={"nowhere": 1}) == 0
    assert await stocked.delete(filter={"nowhere": {"$ne": 1}}) == len(METADATA)
    assert await stocked.count() == 0


async def test_present_counts_exactly_the_ids_that_are_there(shop: Shop) -> None:
    await shop.make()
    await shop.put(*({"id": str(number), "vector": [1.0, 0.0, 0.0]} for number in range(3)))
    async with shop.vectors._store(shop.tenant) as store:
        collection = await store.collection("docs")
        assert await store.present(collection, ["0", "2", "nowhere"]) == 2
        assert await store.present(collection, []) == 0


async def test_objects_beyond_the_quota_are_refused_and_replacing_is_not(shop: Shop) -> None:
    shop.tenant["spec"]["quota"] = {"objects": 2}
    await shop.make()
    two = [{"id": each, "vector": [1.0, 0.0, 0.0]} for each in "ab"]
    await shop.put(*two)
    await shop.put(*two)
    with pytest.raises(QuotaExceededError):
        await shop.put({"id": "c", "vector": [1.0, 0.0, 0.0]})
    assert await shop.count() == 2
