"""What each node means, in the shortest code that can be read: the oracle that every backend is compared with."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from moorage_api.vectors.filters.ast import Among, And, Compare, Contains, Equal, Exists, Filter, Not, Or
from moorage_api.vectors.filters.values import Scalar, element, kind_of, scalar

_ORDERS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}


def matches(clause: Filter, metadata: Mapping[str, Any]) -> bool:  # noqa: PLR0911 - one arm per node
    """Return whether an object with this metadata passes the filter."""
    match clause:
        case Equal(field, value):
            return _is_equal(metadata.get(field), value)
        case Among(field, values):
            return any(_is_equal(metadata.get(field), value) for value in values)
        case Compare(field, order, bound):
            held = scalar(metadata.get(field))
            return held is not None and kind_of(held) == kind_of(bound) and _ORDERS[order](held, bound)
        case Contains(field, values, every):
            return _contains(metadata.get(field), values, all if every else any)
        case Exists(field):
            return metadata.get(field) is not None
        case And(clauses):
            return all(matches(each, metadata) for each in clauses)
        case Or(clauses):
            return any(matches(each, metadata) for each in clauses)
        case Not(inner):
            return not matches(inner, metadata)


def _is_equal(held: Any, value: Scalar) -> bool:
    plain = scalar(held)
    return plain is not None and kind_of(plain) == kind_of(value) and plain == value


def _contains(held: Any, values: tuple[Scalar, ...], quantifier: Callable[[Any], bool]) -> bool:
    if not isinstance(held, list):
        return False
    elements = [plain for plain in map(element, held) if plain is not None]
    return quantifier(any(kind_of(value) == kind_of(each) and value == each for each in elements) for value in values)
