"""From the wire to the typed filter, and errors that name the place."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from moorage_api.vectors.errors import InvalidFilterError
from moorage_api.vectors.filters.ast import (
    EVERYTHING,
    Among,
    And,
    Compare,
    Contains,
    Equal,
    Exists,
    Filter,
    Not,
    Or,
)
from moorage_api.vectors.filters.parse import CLAUSES_MAX, DEPTH_MAX, parse
from moorage_api.vectors.filters.values import Date

MAY = Date(datetime(2024, 5, 1, tzinfo=UTC))

PARSED: list[tuple[Any, Filter]] = [
    (None, EVERYTHING),
    ({}, EVERYTHING),
    ({"a": "web"}, Equal("a", "web")),
    ({"a": 5}, Equal("a", 5.0)),
    ({"a": True}, Equal("a", True)),
    ({"a": "2024-05-01"}, Equal("a", MAY)),
    ({"a": "2024-05-01T02:00:00+02:00"}, Equal("a", MAY)),
    ({"a": "2024-02-30"}, Equal("a", "2024-02-30")),
    ({"a": "2024-05-01T02:00:00"}, Equal("a", "2024-05-01T02:00:00")),
    ({"a": {"$ne": 1}}, Not(Equal("a", 1.0))),
    ({"a": {"$in": ["x", 1]}}, Among("a", ("x", 1.0))),
    ({"a": {"$in": []}}, Among("a", ())),
    ({"a": {"$nin": ["x"]}}, Not(Among("a", ("x",)))),
    ({"a": {"$exists": True}}, Exists("a")),
    ({"a": {"$exists": False}}, Not(Exists("a"))),
    ({"a": None}, Not(Exists("a"))),
    ({"a": {"$ne": None}}, Exists("a")),
    ({"a": {"$gt": 1, "$lte": "2024-05-01"}}, And((Compare("a", "$gt", 1.0), Compare("a", "$lte", MAY)))),
    ({"a": {"$contains_any": ["2024-05-01"]}}, Contains("a", ("2024-05-01",), every=False)),
    ({"a": {"$contains_all": [1, 2]}}, Contains("a", (1.0, 2.0), every=True)),
    ({"a": 1, "b": 2}, And((Equal("a", 1.0), Equal("b", 2.0)))),
    ({"$or": [{"a": 1}, {"b": 2}]}, Or((Equal("a", 1.0), Equal("b", 2.0)))),
    ({"$and": [{"a": 1}]}, And((Equal("a", 1.0),))),
    ({"$not": {"a": 1}}, Not(Equal("a", 1.0))),
    ({"a": {"$not": {"$gt": 1}}}, Not(Compare("a", "$gt", 1.0))),
    ({"a.b": 1}, Equal("a.b", 1.0)),
]


@pytest.mark.parametrize(("wire", "expected"), PARSED, ids=lambda value: str(value)[:60])
def test_what_a_filter_means(wire: Any, expected: Filter) -> None:
    assert parse(wire) == expected


REFUSED: list[tuple[Any, str]] = [
    ([], r"^filter: expected an object"),
    ({"$nor": []}, r"^filter\.\$nor: expected a field, \$and, \$or or \$not$"),
    ({"$and": []}, r"^filter\.\$and: expected a list of at least one filter"),
    ({"$or": {}}, r"^filter\.\$or: expected a list"),
    ({"$or": [{"a": 1}, 5]}, r"^filter\.\$or\[1\]: expected an object, not this number$"),
    ({"$not": [1]}, r"^filter\.\$not: expected an object"),
    ({"a": {}}, r"^filter\.a: expected at least one operator"),
    ({"a": {"$near": 1}}, r"^filter\.a\.\$near: expected one of \$eq, "),
    ({"a": {"b": 1}}, r"^filter\.a\.b: expected one of \$eq"),
    ({"a": {"$not": 1}}, r"^filter\.a\.\$not: expected an object of operators"),
    ({"a": [1]}, r"^filter\.a: .*use \$contains_any"),
    ({"a": {"$eq": {"b": 1}}}, r"^filter\.a\.\$eq: expected a string"),
    ({"a": {"$gt": "b"}}, r"^filter\.a\.\$gt: expected a number or an RFC 3339 date, not a string$"),
    ({"a": {"$gte": True}}, r"^filter\.a\.\$gte: expected a number or"),
    ({"a": {"$in": 1}}, r"^filter\.a\.\$in: expected a list"),
    ({"a": {"$in": [1, None]}}, r"^filter\.a\.\$in\[1\]: expected"),
    ({"a": {"$exists": 1}}, r"^filter\.a\.\$exists: expected true or false"),
    ({"a": {"$contains_any": []}}, r"^filter\.a\.\$contains_any: expected a list"),
    ({"a": {"$contains_all": [1, "b"]}}, r"^filter\.a\.\$contains_all: expected a list"),
    ({"a": 2**53 + 1}, r"^filter\.a: expected .*2\^53"),
    ({"a": float("nan")}, r"^filter\.a: expected"),
    ({"a": "\ud800"}, r"^filter\.a: expected"),
    ({"a": {"$in": list(range(1001))}}, r"at most 1000 values"),
    ({str(at): at for at in range(CLAUSES_MAX + 1)}, f"at most {CLAUSES_MAX} comparisons"),
]


@pytest.mark.parametrize(("wire", "message"), REFUSED, ids=lambda value: str(value)[:60])
def test_a_filter_that_breaks_the_grammar_names_the_place(wire: Any, message: str) -> None:
    with pytest.raises(InvalidFilterError, match=message):
        parse(wire)


@pytest.mark.parametrize("wrap", [lambda inner: {"$not": inner}, lambda inner: {"$and": [inner]}])
def test_nesting_is_bounded(wrap: Any) -> None:
    wire: Any = {"a": 1}
    for _ in range(DEPTH_MAX - 1):
        wire = wrap(wire)
    parse(wire)
    with pytest.raises(InvalidFilterError, match="levels"):
        parse(wrap(wire))


def test_nesting_below_a_field_is_bounded() -> None:
    wire: Any = {"$gt": 1}
    for _ in range(DEPTH_MAX + 1):
        wire = {"$not": wire}
    with pytest.raises(InvalidFilterError, match="levels"):
        parse({"a": wire})
