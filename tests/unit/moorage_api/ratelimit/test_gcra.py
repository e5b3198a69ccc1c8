"""GCRA admits exactly what the policy says."""

from __future__ import annotations

import pytest

from moorage_api.ratelimit.gcra import Gcra
from moorage_api.ratelimit.policy import Limit

FIVE_A_MINUTE = Limit(5, 60.0)


def test_a_burst_of_the_whole_limit_is_admitted_and_no_more() -> None:
    gcra = Gcra(FIVE_A_MINUTE)

    assert [gcra.admit("k", 0.0) for _ in range(6)] == [0.0] * 5 + [12.0]


def test_one_is_admitted_every_interval_after_a_burst() -> None:
    gcra = Gcra(FIVE_A_MINUTE)
    for _ in range(5):
        gcra.admit("k", 0.0)

    assert gcra.admit("k", 11.9) == pytest.approx(0.1)
    assert gcra.admit("k", 12.0) == 0.0
    assert gcra.admit("k", 12.0) == 12.0


def test_refusals_do_not_lengthen_the_wait() -> None:
    gcra = Gcra(FIVE_A_MINUTE)
    for _ in range(50):
        gcra.admit("k", 0.0)

    assert gcra.admit("k", 12.0) == 0.0


def test_keys_do_not_share() -> None:
    gcra = Gcra(Limit(1, 60.0))

    assert gcra.admit("a", 0.0) == 0.0
    assert gcra.admit("b", 0.0) == 0.0


def test_a_long_run_admits_the_rate() -> None:
    gcra = Gcra(FIVE_A_MINUTE)
    admitted = sum(gcra.admit("k", float(second)) == 0.0 for second in range(3600))

    assert admitted == 5 + 3600 // 12 - 1
