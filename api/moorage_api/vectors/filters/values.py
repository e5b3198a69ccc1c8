"""What metadata may hold, and the kinds by which values compare: values of two kinds are never equal.

A string that is a complete RFC 3339 date-time with its zone, or a full date (midnight UTC), is a date; it compares as
an instant. Integers and decimals are one kind, number.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

INTEGER_MAX: Final = 2**53
"""Largest integer that a 64-bit float, the number of every backend, holds exactly."""

_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d))?")


@dataclass(frozen=True, order=True)
class Date:
    """An instant."""

    at: datetime
    """In UTC."""


Scalar = bool | float | str | Date


class Kind(StrEnum):
    """Kind of a value; the array kinds are arrays of one scalar kind."""

    STRING = "s"
    NUMBER = "n"
    BOOLEAN = "b"
    DATE = "d"
    STRINGS = "as"
    NUMBERS = "an"
    BOOLEANS = "ab"


ARRAYS: Final = {Kind.STRING: Kind.STRINGS, Kind.NUMBER: Kind.NUMBERS, Kind.BOOLEAN: Kind.BOOLEANS}
"""Array kind of a scalar kind. Strings in arrays stay strings, dates or not."""


def scalar(value: Any) -> Scalar | None:
    """Return a JSON scalar as it compares, or None when it is none that can be kept."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return float(value) if abs(value) <= INTEGER_MAX else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str) and _is_text(value):
        return _date(value) or value
    return None


def element(value: Any) -> bool | float | str | None:
    """Return a JSON scalar as an array's element, or None when it is none that can be kept."""
    if isinstance(value, str):
        return value if _is_text(value) else None
    plain = scalar(value)
    return None if isinstance(plain, Date) else plain


def kind_of(value: Scalar) -> Kind:
    """Return the kind of a scalar."""
    match value:
        case bool():
            return Kind.BOOLEAN
        case float():
            return Kind.NUMBER
        case str():
            return Kind.STRING
        case Date():
            return Kind.DATE


def _is_text(value: str) -> bool:
    """Whether it is Unicode: JSON can escape half a surrogate pair, which no store can keep."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _date(text: str) -> Date | None:
    if not _DATE.fullmatch(text):
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None  # 2024-02-30 is a string like any other
    return Date(parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC))
