"""From the filter's AST to Weaviate's own filters. Pure; ``filters.truth`` says what the outcome must mean.

A field that the collection never held in a kind has no property, and Weaviate refuses to filter by it. Such a leaf is
false without asking, and folding carries that upwards, so a filter may turn out constant.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, TypeAlias

from weaviate.classes.query import Filter as Weaviate

from moorage_api.vectors.backends.weaviate import layout
from moorage_api.vectors.filters.ast import Among, And, Compare, Contains, Equal, Exists, Filter, Not, Or, Order
from moorage_api.vectors.filters.values import ARRAYS, Kind, Scalar, kind_of

Lowered: TypeAlias = Any
"""A filter of the client, or True or False when it is the same for every object."""


def lower(clause: Filter, known: Collection[str]) -> Lowered:  # noqa: PLR0911 - one arm per node
    """Return the client's filter; ``known`` are the names of the collection's properties."""
    match clause:
        case Equal(field, value):
            return _among(field, (value,), known)
        case Among(field, values):
            return _among(field, values, known)
        case Compare(field, order, bound):
            prop = layout.property_name(field, kind_of(bound))
            return prop in known and _ordered(prop, order, layout.stored_scalar(bound))
        case Contains(field, values, every):
            return _contains(field, values, every, known)
        case Exists(field):
            return Weaviate.by_property(layout.FIELDS).contains_any([layout.quoted(field)])
        case And(clauses):
            return _all([lower(each, known) for each in clauses])
        case Or(clauses):
            return _any([lower(each, known) for each in clauses])
        case Not(inner):
            return _not(lower(inner, known))


def everything() -> Lowered:
    """Return a filter that every object passes, for calls that need one."""
    return Weaviate.by_property(layout.FIELDS).contains_any([layout.EVERY])


def _among(field: str, values: Iterable[Scalar], known: Collection[str]) -> Lowered:
    by_kind: dict[Kind, list[Any]] = {}
    for value in values:
        by_kind.setdefault(kind_of(value), []).append(layout.stored_scalar(value))
    props = {layout.property_name(field, kind): stored for kind, stored in by_kind.items()}
    return _any([_one_of(prop, stored) for prop, stored in props.items() if prop in known])


def _one_of(prop: str, stored: list[Any]) -> Lowered:
    target = Weaviate.by_property(prop)
    return target.equal(stored[0]) if len(stored) == 1 else target.contains_any(stored)


def _contains(field: str, values: tuple[Scalar, ...], every: bool, known: Collection[str]) -> Lowered:
    prop = layout.property_name(field, ARRAYS[kind_of(values[0])])
    if prop not in known:
        return False
    stored: list[Any] = [layout.stored_scalar(value) for value in values]
    target = Weaviate.by_property(prop)
    return target.contains_all(stored) if every else target.contains_any(stored)


def _ordered(prop: str, order: Order, bound: Any) -> Lowered:
    target = Weaviate.by_property(prop)
    match order:
        case "$gt":
            return target.greater_than(bound)
        case "$gte":
            return target.greater_or_equal(bound)
        case "$lt":
            return target.less_than(bound)
        case "$lte":
            return target.less_or_equal(bound)


def _all(parts: list[Lowered]) -> Lowered:
    if any(part is False for part in parts):
        return False
    asked = [part for part in parts if part is not True]
    return Weaviate.all_of(asked) if asked else True


def _any(parts: list[Lowered]) -> Lowered:
    if any(part is True for part in parts):
        return True
    asked = [part for part in parts if part is not False]
    return Weaviate.any_of(asked) if asked else False


def _not(part: Lowered) -> Lowered:
    return (not part) if isinstance(part, bool) else Weaviate.not_(part)
