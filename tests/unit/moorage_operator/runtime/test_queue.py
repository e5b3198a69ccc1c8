from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from moorage_operator.runtime.queue import WorkQueue
from tests.unit.moorage_operator.runtime.fake_clock import FakeClock, settle


@pytest.fixture
def queue(clock: FakeClock) -> WorkQueue:
    return WorkQueue(clock)


async def test_keys_come_in_the_order_they_were_added(queue: WorkQueue) -> None:
    for key in ("b", "a", "c"):
        queue.add(key)
    assert [await queue.get() for _ in range(3)] == ["b", "a", "c"]


async def test_a_key_added_twice_comes_once(queue: WorkQueue) -> None:
    queue.add("a")
    queue.add("a")
    assert await queue.get() == "a"
    assert len(queue) == 0


async def test_a_key_in_flight_is_given_to_nobody_else_and_comes_back_when_done(queue: WorkQueue) -> None:
    queue.add("a")
    await queue.get()
    queue.add("a")
    second = asyncio.ensure_future(queue.get())
    await settle()
    assert not second.done()
    queue.done("a")
    assert await second == "a"


async def test_a_key_done_without_a_new_event_does_not_come_back(queue: WorkQueue) -> None:
    queue.add("a")
    queue.done(await queue.get())
    assert len(queue) == 0


async def test_a_waiting_worker_wakes_for_a_new_key(queue: WorkQueue) -> None:
    waiting = asyncio.ensure_future(queue.get())
    await settle()
    queue.add("a")
    assert await waiting == "a"


async def test_two_waiting_workers_share_two_keys(queue: WorkQueue) -> None:
    workers = [asyncio.ensure_future(queue.get()) for _ in range(2)]
    await settle()
    queue.add("a")
    queue.add("b")
    assert sorted(await asyncio.gather(*workers)) == ["a", "b"]


async def test_a_delayed_key_comes_at_its_time_and_not_before(queue: WorkQueue, clock: FakeClock) -> None:
    queue.add_after("a", 10)
    waiting = asyncio.ensure_future(queue.get())
    await clock.advance(9.9)
    assert not waiting.done()
    await clock.advance(0.1)
    assert await waiting == "a"


async def test_of_two_delays_the_shorter_counts_whichever_came_first(queue: WorkQueue, clock: FakeClock) -> None:
    queue.add_after("a", 10)
    queue.add_after("a", 2)
    queue.add_after("a", 5)
    waiting = asyncio.ensure_future(queue.get())
    await clock.advance(2)
    assert await waiting == "a"
    queue.done("a")
    again = asyncio.ensure_future(queue.get())
    await clock.advance(20)
    assert not again.done()
    again.cancel()


async def test_a_delay_of_nothing_is_now(queue: WorkQueue) -> None:
    queue.add_after("a", 0)
    assert await queue.get() == "a"


async def test_back_off_doubles_from_5_ms_to_its_bound(queue: WorkQueue) -> None:
    delays = [queue.add_failed("a") for _ in range(16)]
    assert delays[:4] == [0.005, 0.01, 0.02, 0.04]
    assert delays[-1] == 60.0
    assert all(later >= earlier for earlier, later in pairwise(delays))


async def test_back_off_stays_bounded_after_ten_thousand_failures(queue: WorkQueue) -> None:
    assert [queue.add_failed("a") for _ in range(10_000)][-1] == 60.0


async def test_success_takes_the_back_off_back(queue: WorkQueue) -> None:
    for _ in range(8):
        queue.add_failed("a")
    queue.forget("a")
    assert queue.failures("a") == 0
    assert queue.add_failed("a") == 0.005


async def test_a_failing_key_delays_no_other(queue: WorkQueue) -> None:
    for _ in range(12):
        queue.add_failed("bad")
    queue.add("good")
    assert await queue.get() == "good"


async def test_an_event_during_back_off_asks_at_once(queue: WorkQueue) -> None:
    for _ in range(12):
        queue.add_failed("a")
    queue.add("a")
    assert await queue.get() == "a"


async def test_a_worker_cancelled_while_waiting_loses_no_key(queue: WorkQueue, clock: FakeClock) -> None:
    queue.add_after("a", 1)
    cancelled = asyncio.ensure_future(queue.get())
    await settle()
    cancelled.cancel()
    await settle()
    other = asyncio.ensure_future(queue.get())
    await clock.advance(1)
    assert await other == "a"


async def test_depth_counts_what_waits_for_a_worker_alone(queue: WorkQueue) -> None:
    queue.add("a")
    queue.add("b")
    queue.add_after("c", 5)
    await queue.get()
    assert (len(queue), queue.delayed) == (1, 1)


async def test_keys_behind_come_after_those_added_whenever_they_were(queue: WorkQueue) -> None:
    for key in ("a", "b"):
        queue.add_behind(key)
    queue.add("c")
    assert await queue.get() == "c"


async def test_a_key_behind_that_something_happens_to_comes_first_and_once(queue: WorkQueue) -> None:
    for key in ("a", "b", "c"):
        queue.add_behind(key)
    queue.add("b")
    assert len(queue) == 3
    assert await queue.get() == "b"
    assert sorted([await queue.get(), await queue.get()]) == ["a", "c"]


async def test_what_is_remembered_last_comes_first_and_what_is_behind_comes_last(queue: WorkQueue) -> None:
    for key in ("old", "again", "new", "again"):
        queue.remember(key)
    queue.add_behind("any")
    queue.add_behind("new")
    assert [await queue.get() for _ in range(4)] == ["again", "new", "old", "any"]


async def test_an_added_key_is_not_put_behind(queue: WorkQueue) -> None:
    for key in ("a", "b"):
        queue.add(key)
    queue.add_behind("a")
    queue.remember("b")
    assert [await queue.get() for _ in range(2)] == ["a", "b"]
    assert len(queue) == 0


async def test_a_key_in_flight_that_is_put_behind_comes_back_when_done(queue: WorkQueue) -> None:
    queue.add("a")
    await queue.get()
    queue.add_behind("a")
    assert len(queue) == 0
    queue.done("a")
    assert await queue.get() == "a"


async def test_a_waiting_worker_wakes_for_a_key_behind(queue: WorkQueue) -> None:
    waiting = asyncio.ensure_future(queue.get())
    await settle()
    queue.add_behind("a")
    assert await waiting == "a"
