"""What a restart of the operator costs at full load, and how long a standby takes to stand in.

Separate because both start a process against a cluster that needs nothing: every write is a wasted one.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.operators.subject import Subject
from bench.operators.waiting import GLANCE, LIMIT, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.operators.counts import Counts
    from bench.operators.driver import Driver

_QUIET = 4.0
_PATIENCE = 10.0


@dataclass(frozen=True)
class Restarted:
    """What a restart took."""

    stop_seconds: float
    seconds: float
    """From the start of the process until it had compared every tenant with what it should be."""
    cpu_seconds: float
    """Processor time of the operator in these seconds."""
    requests: Counts
    resident_mib: float
    peak_mib: float


async def restart(
    driver: Driver, subject: Subject, again: Callable[[], Subject], tenants: int
) -> tuple[Subject, Restarted]:
    """End an operator and start it again; returns the new one."""
    stop_seconds = await subject.stop()
    before = await driver.settle()
    fresh = again()
    seconds, cpu = await (_compared(fresh, tenants) if await _tells(fresh) else _quiet(driver, fresh))
    requests = (await driver.settle()).since(before)
    await fresh.calm()
    return fresh, Restarted(stop_seconds, seconds, cpu, requests, fresh.resident_mib, fresh.peak_mib)


async def leading(subject: Subject, tenants: int) -> float:
    """Wait until Moorage's operator leads and has compared so many tenants; returns the seconds since its start."""
    return (await _compared(subject, tenants))[0]


async def synced(subject: Subject, tenants: int) -> None:
    """Wait until a standby of Moorage's operator knows everything."""

    async def knows_all() -> bool:
        return (await subject.metrics()).get("moorage_operator_tenants", 0) >= tenants

    await until(knows_all)
    await subject.calm()


async def _tells(subject: Subject) -> bool:
    """Return whether an operator has Moorage's metrics; the naive one has none."""

    async def answers() -> bool:
        return bool(await subject.metrics())

    with contextlib.suppress(TimeoutError):
        await until(answers, _PATIENCE)
        return True
    return False


async def _compared(subject: Subject, tenants: int) -> tuple[float, float]:
    async def is_through() -> bool:
        return _is_through(await subject.metrics(), tenants)

    await until(is_through)
    return time.monotonic() - subject.began, subject.cpu_seconds


def _is_through(metrics: Any, tenants: int) -> bool:
    compared = metrics.get("moorage_operator_reconcile_seconds_count", 0)
    is_leader = metrics.get("moorage_operator_leader") == 1
    return is_leader and compared >= tenants and not metrics["moorage_operator_queue_depth"]


async def _quiet(driver: Driver, subject: Subject) -> tuple[float, float]:
    """Wait until an operator without metrics has stopped writing; returns when it wrote last."""
    async with asyncio.timeout(LIMIT):
        seen, last, cpu = -1, subject.began, 0.0
        while time.monotonic() - last < _QUIET or seen < 0:
            writes = (await driver.counts()).writes
            if writes != seen:
                seen, last, cpu = writes, time.monotonic(), subject.cpu_seconds
            await asyncio.sleep(GLANCE)
        return last - subject.began, cpu
