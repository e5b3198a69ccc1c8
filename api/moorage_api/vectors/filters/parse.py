"""From the wire to the typed filter: Mongo's words, and errors that name the place.

``{"source": "web", "year": {"$gte": 2020, "$lt": 2025}, "$or": [...]}``: members of one object all hold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

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
    Order,
)
from moorage_api.vectors.filters.values import Date, Scalar, element, kind_of, scalar

DEPTH_MAX: Final = 16
"""Deepest nesting of ``$and``, ``$or`` and ``$not``."""
CLAUSES_MAX: Final = 256
"""Most comparisons in one filter."""
VALUES_MAX: Final = 1000
"""Most values in one list."""
_SHOWN: Final = 40


def parse(wire: Any) -> Filter:
    """Return the filter; raises InvalidFilterError naming the path, such as ``filter.$or[1].year.$gte``."""
    parser = _Parser()
    return parser.object(wire, "filter", 1) if wire is not None else EVERYTHING


class _Parser:
    """Parses one filter; it counts, so that a small request cannot make a backend work for minutes."""

    def __init__(self) -> None:
        self._clauses = 0

    def object(self, wire: Any, path: str, depth: int) -> Filter:
        """Parse ``{field: condition, "$and": [...]}``."""
        if not isinstance(wire, dict):
            raise _expected(path, "an object", wire)
        if depth > DEPTH_MAX:
            raise InvalidFilterError(f"{path}: expected at most {DEPTH_MAX} levels")
        return _all([self._member(key, value, f"{path}.{key[:_SHOWN]}", depth) for key, value in wire.items()])

    def _member(self, key: str, value: Any, path: str, depth: int) -> Filter:
        match key:
            case "$and":
                return And(self._list(value, path, depth))
            case "$or":
                return Or(self._list(value, path, depth))
            case "$not":
                return Not(self.object(value, path, depth + 1))
            case _:
                return self._field(key, value, path, depth)

    def _field(self, field: str, value: Any, path: str, depth: int) -> Filter:
        if field.startswith("$"):
            raise InvalidFilterError(f"{path}: expected a field, $and, $or or $not")
        if isinstance(value, dict):
            return self._conditions(field, value, path, depth)
        return self._condition(field, "$eq", value, path)

    def _list(self, wire: Any, path: str, depth: int) -> tuple[Filter, ...]:
        if not isinstance(wire, list) or not wire:
            raise _expected(path, "a list of at least one filter", wire)
        return tuple(self.object(each, f"{path}[{at}]", depth + 1) for at, each in enumerate(wire))

    def _conditions(self, field: str, wire: dict[str, Any], path: str, depth: int) -> Filter:
        if not wire:
            raise _expected(path, "at least one operator", wire)
        if depth > DEPTH_MAX:
            raise InvalidFilterError(f"{path}: expected at most {DEPTH_MAX} levels")
        return _all([self._operator(field, key, value, f"{path}.{key[:_SHOWN]}", depth) for key, value in wire.items()])

    def _operator(self, field: str, operator: str, value: Any, path: str, depth: int) -> Filter:
        if operator != "$not":
            return self._condition(field, operator, value, path)
        if not isinstance(value, dict):
            raise _expected(path, "an object of operators", value)
        return Not(self._conditions(field, value, path, depth + 1))

    def _condition(self, field: str, operator: str, value: Any, path: str) -> Filter:
        self._clauses += 1
        if self._clauses > CLAUSES_MAX:
            raise InvalidFilterError(f"{path}: expected at most {CLAUSES_MAX} comparisons in one filter")
        condition = _CONDITIONS.get(operator)
        if condition is None:
            raise InvalidFilterError(f"{path}: expected one of {', '.join(_CONDITIONS)}, $not")
        return condition(field, value, path)


def _eq(field: str, value: Any, path: str) -> Filter:
    return Not(Exists(field)) if value is None else Equal(field, _scalar(value, path))


def _ne(field: str, value: Any, path: str) -> Filter:
    return Exists(field) if value is None else Not(Equal(field, _scalar(value, path)))


def _in(field: str, value: Any, path: str) -> Filter:
    return Among(field, tuple(_scalar(each, f"{path}[{at}]") for at, each in enumerate(_values(value, path))))


def _nin(field: str, value: Any, path: str) -> Filter:
    return Not(_in(field, value, path))


def _exists(field: str, value: Any, path: str) -> Filter:
    if not isinstance(value, bool):
        raise _expected(path, "true or false", value)
    return Exists(field) if value else Not(Exists(field))


def _ordered(order: Order) -> Callable[[str, Any, str], Filter]:
    def condition(field: str, value: Any, path: str) -> Filter:
        bound = scalar(value)
        if isinstance(bound, bool) or not isinstance(bound, float | Date):
            raise _expected(path, "a number or an RFC 3339 date", value)
        return Compare(field, order, bound)

    return condition


def _contains(*, every: bool) -> Callable[[str, Any, str], Filter]:
    def condition(field: str, value: Any, path: str) -> Filter:
        wanted = [element(each) for each in _values(value, path)]
        values = tuple(each for each in wanted if each is not None)
        if not values or len(values) < len(wanted) or len({kind_of(each) for each in values}) > 1:
            raise _expected(path, "a list of strings, of numbers or of booleans, not empty", value)
        return Contains(field, values, every=every)

    return condition


_CONDITIONS: Final[dict[str, Callable[[str, Any, str], Filter]]] = {
    "$eq": _eq,
    "$ne": _ne,
    "$gt": _ordered("$gt"),
    "$gte": _ordered("$gte"),
    "$lt": _ordered("$lt"),
    "$lte": _ordered("$lte"),
    "$in": _in,
    "$nin": _nin,
    "$exists": _exists,
    "$contains_any": _contains(every=False),
    "$contains_all": _contains(every=True),
}


def _all(clauses: list[Filter]) -> Filter:
    return clauses[0] if len(clauses) == 1 else And(tuple(clauses))


def _values(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list) or len(value) > VALUES_MAX:
        raise _expected(path, f"a list of at most {VALUES_MAX} values", value)
    return value


def _scalar(value: Any, path: str) -> Scalar:
    plain = scalar(value)
    if plain is None:
        hint = ", use $contains_any or $contains_all for arrays" if isinstance(value, list) else ""
        raise _expected(path, f"a string, a boolean, a number within 2^53{hint}", value)
    return plain


def _expected(path: str, expectation: str, value: Any) -> InvalidFilterError:
    return InvalidFilterError(f"{path}: expected {expectation}, not {_JSON_TYPES.get(type(value), 'that')}")


_JSON_TYPES: Final = {
    dict: "an object",
    list: "this list",
    str: "a string",
    bool: "a boolean",
    int: "this number",
    float: "this number",
    type(None): "null",
}
