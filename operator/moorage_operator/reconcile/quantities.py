"""Arithmetic on Kubernetes quantities, exact.

Separate because the API server rewrites quantities (``1000m`` comes back as ``1``), so they are compared as numbers.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache

_QUANTITY = re.compile(r"^([+-]?[0-9]+(?:\.[0-9]*)?|[+-]?\.[0-9]+)(?:([eE][+-]?[0-9]+)|([numkMGTPE]|[KMGTPE]i)?)$")

_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL = {"n": "1e-9", "u": "1e-6", "m": "1e-3", "": "1", "k": "1e3", "M": "1e6", "G": "1e9", "T": "1e12"} | {
    "P": "1e15",
    "E": "1e18",
}
_FACTORS = {suffix: Decimal(factor) for suffix, factor in _DECIMAL.items()} | {
    suffix: Decimal(factor) for suffix, factor in _BINARY.items()
}


@lru_cache(maxsize=4096)
def parse(text: str) -> Decimal:
    """Return the number a quantity stands for; raises ValueError when it is none."""
    match = _QUANTITY.match(text)
    if match is None:
        raise ValueError(f"expected a quantity such as 500m or 16Gi, got {text!r}")
    number, exponent, suffix = match.groups()
    if exponent:
        return Decimal(number + exponent)
    return Decimal(number) * _FACTORS[suffix or ""]


def are_equal(one: object, other: object) -> bool:
    """Return whether both are the same amount; False when one of them is no quantity."""
    try:
        return parse(str(one)) == parse(str(other))
    except ValueError:
        return False


def as_cores(amount: Decimal) -> str:
    """Return an amount of CPU as the API server writes it: whole cores, or millicores rounded up."""
    millis = _up(amount * 1000)
    return f"{millis}m" if millis % 1000 else str(millis // 1000)


def as_bytes(amount: Decimal) -> str:
    """Return an amount of bytes, rounded up, under the largest binary unit that divides it."""
    whole = _up(amount)
    for suffix, factor in reversed(_BINARY.items()):
        if whole and whole % factor == 0:
            return f"{whole // factor}{suffix}"
    return str(whole)


def as_mebibytes(amount: Decimal) -> int:
    """Return an amount of bytes in whole MiB, rounded down."""
    return int(amount // _BINARY["Mi"])


def _up(amount: Decimal) -> int:
    return int(amount.to_integral_value(ROUND_CEILING))
