"""The filter as typed data. ``$ne``, ``$nin`` and ``$exists: false`` are the negations they mean: no node of their own.

Every node has two values only, true and false: a field that is missing makes each leaf false, so its negation true.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from moorage_api.vectors.filters.values import Date, Scalar

Order = Literal["$gt", "$gte", "$lt", "$lte"]


@dataclass(frozen=True)
class Equal:
    """The field is a scalar of the value's kind and equals it."""

    field: str
    value: Scalar


@dataclass(frozen=True)
class Among:
    """The field is a scalar and equals one of the values; never true for no values."""

    field: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True)
class Compare:
    """The field is a number or a date, as the value is, and stands in this order to it."""

    field: str
    order: Order
    value: float | Date


@dataclass(frozen=True)
class Contains:
    """The field is an array of the values' kind that holds all of them (``every``) or any."""

    field: str
    values: tuple[Scalar, ...]
    every: bool


@dataclass(frozen=True)
class Exists:
    """The field is there, whatever it holds; null is not there."""

    field: str


@dataclass(frozen=True)
class And:
    """Every clause is true; no clause at all is true."""

    clauses: tuple[Filter, ...]


@dataclass(frozen=True)
class Or:
    """At least one clause is true."""

    clauses: tuple[Filter, ...]


@dataclass(frozen=True)
class Not:
    """The clause is false, a missing field included."""

    clause: Filter


Filter = Equal | Among | Compare | Contains | Exists | And | Or | Not

EVERYTHING = And(())
"""The filter that every object passes."""
