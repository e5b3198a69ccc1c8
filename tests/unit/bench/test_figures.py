"""Percentiles are values that were measured, and what never happened stays in the sample."""

from __future__ import annotations

import pytest

from bench.operators.figures import NEVER, spread


@pytest.mark.parametrize(
    ("seconds", "p50", "p99"),
    [
        ([0.3], 0.3, 0.3),
        ([2.0, 1.0], 1.0, 2.0),
        ([3.0, 1.0, 2.0], 2.0, 3.0),
        ([float(one) for one in range(1, 101)], 50.0, 99.0),
        ([float(one) for one in range(1, 201)], 100.0, 198.0),
    ],
)
def test_a_percentile_is_the_nearest_rank(seconds: list[float], p50: float, p99: float) -> None:
    found = spread(seconds)
    assert (found.p50, found.p99, found.count) == (p50, p99, len(seconds))


def test_what_never_happened_counts_as_longest_and_is_null_in_a_record() -> None:
    assert spread([0.1, NEVER, 0.2]).record() == {"p50": 0.2, "p99": None, "count": 3}


def test_an_empty_sample_has_no_spread() -> None:
    with pytest.raises(ValueError, match="at least one"):
        spread([])
