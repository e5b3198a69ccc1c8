"""The truth table: a missing field makes each leaf false, so its negation true."""

from __future__ import annotations

from typing import Any

import pytest

from moorage_api.vectors.filters.parse import parse
from moorage_api.vectors.filters.truth import matches

MISSING: dict[str, Any] = {}

TABLE: list[tuple[Any, dict[str, Any], bool]] = [
    ({}, MISSING, True),
    ({"a": "web"}, {"a": "web"}, True),
    ({"a": "web"}, {"a": "Web"}, False),
    ({"a": "web"}, {"a": "web page"}, False),
    ({"a": "web"}, {"a": " web"}, False),
    ({"a": ""}, {"a": ""}, True),
    ({"a": ""}, MISSING, False),
    ({"a": 5}, {"a": 5.0}, True),
    ({"a": 5}, {"a": "5"}, False),
    ({"a": 1}, {"a": True}, False),
    ({"a": True}, {"a": True}, True),
    ({"a": "x"}, {"a": ["x"]}, False),
    ({"a": "2024-05-01T00:00:00Z"}, {"a": "2024-05-01T02:00:00+02:00"}, True),
    ({"a": {"$ne": 1}}, MISSING, True),
    ({"a": {"$ne": 1}}, {"a": None}, True),
    ({"a": {"$ne": 1}}, {"a": 1}, False),
    ({"a": {"$ne": 1}}, {"a": "1"}, True),
    ({"a": {"$in": []}}, {"a": 1}, False),
    ({"a": {"$in": [1, "x"]}}, {"a": "x"}, True),
    ({"a": {"$nin": [1]}}, MISSING, True),
    ({"a": {"$nin": []}}, MISSING, True),
    ({"a": {"$nin": [1]}}, {"a": 1}, False),
    ({"a": {"$exists": True}}, {"a": ""}, True),
    ({"a": {"$exists": True}}, {"a": []}, True),
    ({"a": {"$exists": True}}, {"a": None}, False),
    ({"a": {"$exists": False}}, MISSING, True),
    ({"a": {"$gt": 1}}, {"a": 2}, True),
    ({"a": {"$gt": 1}}, {"a": 1}, False),
    ({"a": {"$gte": 1}}, {"a": 1}, True),
    ({"a": {"$lt": 1}}, {"a": "0"}, False),
    ({"a": {"$lt": 1}}, MISSING, False),
    ({"a": {"$not": {"$gt": 1}}}, MISSING, True),
    ({"$not": {"a": {"$gt": 1}}}, {"a": 2}, False),
    ({"a": {"$lt": "2024-05-01T00:00:00Z"}}, {"a": "2024-05-01T00:30:00+01:00"}, True),
    ({"a": {"$lt": "2024-05-01"}}, {"a": 5}, False),
    ({"a": {"$contains_any": ["x", "y"]}}, {"a": ["y", "z"]}, True),
    ({"a": {"$contains_any": ["x"]}}, {"a": "x"}, False),
    ({"a": {"$contains_any": [1]}}, {"a": ["1"]}, False),
    ({"a": {"$contains_any": [1]}}, {"a": [True]}, False),
    ({"a": {"$contains_all": ["x", "y"]}}, {"a": ["y", "x", "z"]}, True),
    ({"a": {"$contains_all": ["x", "y"]}}, {"a": ["y"]}, False),
    ({"a": {"$contains_all": ["x"]}}, MISSING, False),
    ({"$not": {"a": {"$contains_all": ["x"]}}}, MISSING, True),
    ({"$or": [{"a": 1}, {"b": 1}]}, {"b": 1}, True),
    ({"$or": [{"a": 1}, {"b": 1}]}, MISSING, False),
    ({"a": 1, "b": 1}, {"a": 1}, False),
    ({"$not": {"$and": [{"a": 1}, {"b": 1}]}}, {"a": 1}, True),
    ({"$not": {"$or": [{"a": 1}, {"b": {"$ne": 1}}]}}, {"b": 1}, True),
]


@pytest.mark.parametrize(("wire", "metadata", "expected"), TABLE, ids=lambda value: str(value)[:60])
def test_truth(wire: Any, metadata: dict[str, Any], expected: bool) -> None:
    assert matches(parse(wire), metadata) is expected
