"""Statistics of a handful of measured durations.

Separate and pure because a percentile is easily taken wrongly: these are values that were measured, never
interpolated ones, and what did not happen in time stays in the sample.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

NEVER = math.inf
"""A duration that was waited for in vain."""


@dataclass(frozen=True)
class Spread:
    """Median, 99th percentile and size of a sample of seconds."""

    p50: float
    p99: float
    count: int

    def record(self) -> dict[str, float | int | None]:
        """Return it for JSON, which knows no infinity: None is what never happened."""
        return {"p50": _finite(self.p50), "p99": _finite(self.p99), "count": self.count}


def spread(seconds: Iterable[float]) -> Spread:
    """Return the spread of a sample; raises ValueError for an empty one."""
    ordered = sorted(seconds)
    if not ordered:
        raise ValueError("expected at least one duration, got none")
    return Spread(percentile(ordered, 50), percentile(ordered, 99), len(ordered))


def percentile(ordered: list[float], percent: float) -> float:
    """Return the smallest value that ``percent`` of a sorted sample do not exceed (nearest rank)."""
    rank = math.ceil(percent / 100 * len(ordered))
    return ordered[max(rank, 1) - 1]


def _finite(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
