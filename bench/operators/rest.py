"""What the operator does when there is nothing to do, and when somebody touches what means nothing.

Separate because both must end in no write at all, so every single one is told by its name.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.operators import tenants
from bench.operators.driver import Driver, each

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.operators.counts import Counts
    from bench.operators.subject import Subject


@dataclass(frozen=True)
class Rested:
    """What happened while nothing was asked for."""

    seconds: float
    requests: Counts
    millicores: float


async def rest(driver: Driver, subject: Subject, seconds: float) -> Rested:
    """Do nothing for some seconds."""
    before, cpu = await driver.counts(), subject.cpu_seconds
    await asyncio.sleep(seconds)
    used = subject.cpu_seconds - cpu
    return Rested(seconds, (await driver.counts()).since(before), 1000 * used / seconds)


async def touch(driver: Driver, names: Sequence[str]) -> Counts:
    """Annotate every tenant with something that means nothing; returns what the operator asked for."""
    before = await driver.counts()

    async def annotate(name: str) -> None:
        await driver.merge(tenants.tenant(name), {"metadata": {"annotations": {"example.com/touched": "yes"}}})

    await each(annotate, names)
    return (await driver.settle()).since(before)
