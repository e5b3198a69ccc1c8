"""How objects and settings lie in Weaviate, both ways."""

from __future__ import annotations

import pytest

from moorage_api.vectors.backends.weaviate import layout
from moorage_api.vectors.filters.values import Kind
from moorage_api.vectors.model import Collection, Embedding, StoredObject


def test_an_object_comes_back_as_it_was() -> None:
    metadata = {"source": "web", "n": 5, "x": 1.5, "ok": False, "tags": ["a"], "none": [], "at": "2024-05-01"}
    stored = StoredObject("a", (1.0, 0.0), "text", metadata)
    assert layout.stored_object(layout.properties(stored), (1.0, 0.0)) == stored


def test_values_of_two_kinds_never_share_a_property() -> None:
    values = ["x", 1, True, "2024-05-01", ["x"], [1], [True]]
    pairs = [pair for value in values for pair in layout.typed({"a": value})]
    assert pairs == [("a", kind) for kind in Kind]
    assert len({layout.property_name(*pair) for pair in pairs}) == len(Kind)


@pytest.mark.parametrize(("left", "right"), [("a.b", "a_b"), ("A", "a"), ("ü", "u"), ("a" * 65, "a" * 66)])
def test_fields_that_differ_have_properties_that_differ(left: str, right: str) -> None:
    names = {layout.property_name(field, Kind.STRING).lower() for field in (left, right)}
    assert len(names) == 2
    assert all(name.isascii() and name.replace("_", "").isalnum() for name in names)


COLLECTIONS = [
    Collection("docs", 3, "l2"),
    Collection("docs", 384, "cosine", Embedding("embedder", "aaaaaaaa", "TEXT", "EMBEDDING")),
]


@pytest.mark.parametrize("collection", COLLECTIONS, ids=str)
def test_settings_come_back_from_the_description(collection: Collection) -> None:
    assert layout.collection_of("uid-1", layout.description("uid-1", collection)) == collection


@pytest.mark.parametrize(
    "text", [None, "", "a description by somebody", "[]", "{}", layout.description("uid-2", COLLECTIONS[0])]
)
def test_a_class_of_anybody_else_is_no_collection(text: str | None) -> None:
    assert layout.collection_of("uid-1", text) is None
