from __future__ import annotations

from moorage_operator.runtime.pace import Pace
from tests.unit.moorage_operator.runtime.fake_clock import FakeClock


async def test_a_burst_passes_and_the_next_waits_its_interval(clock: FakeClock) -> None:
    pace = Pace(clock, interval=1, burst=3)
    assert [pace.take("a") for _ in range(4)] == [0, 0, 0, 1]


async def test_a_refused_try_costs_nothing(clock: FakeClock) -> None:
    pace = Pace(clock, interval=1, burst=1)
    pace.take("a")
    for _ in range(5):
        pace.take("a")
    await clock.advance(1)
    assert pace.take("a") == 0


async def test_in_the_long_run_one_per_interval(clock: FakeClock) -> None:
    pace = Pace(clock, interval=1, burst=3)
    taken = 0
    for _ in range(1000):
        taken += pace.take("a") == 0
        await clock.advance(0.1)
    assert taken == 102


async def test_keys_do_not_slow_each_other(clock: FakeClock) -> None:
    pace = Pace(clock, interval=1, burst=1)
    assert [pace.take("a"), pace.take("b")] == [0, 0]


async def test_keys_that_are_quiet_are_forgotten(clock: FakeClock) -> None:
    pace = Pace(clock, interval=1, burst=1)
    for number in range(5000):
        pace.take(str(number))
        await clock.advance(0.01)
    assert len(pace) <= 1025
