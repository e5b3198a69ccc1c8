"""From nothing to every tenant and model applied: how long, and how many requests.

Separate because it alone watches for "applied": the first status whose ``observedGeneration`` is the object's own.
Without a node nothing gets further than that.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.operators.driver import Driver, each
from bench.operators.figures import Spread, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.operators.counts import Counts
    from moorage_operator.runtime.resources import Resource

Manifest = dict[str, Any]
Key = tuple[str, str]

LIMIT = 1800.0
"""Seconds after which a run gives up."""


@dataclass(frozen=True)
class Converged:
    """What it took."""

    objects: int
    seconds: float
    """From the first request that made one until the last one was applied."""
    latency: Spread
    """From an object's creation until it was applied, while all others wanted the same."""
    requests: Counts
    """The operator's, until it had nothing more to write."""


async def converge(driver: Driver, resource: Resource, wanted: Sequence[Manifest]) -> Converged:
    """Create objects of one kind and wait until all are applied; raises TimeoutError."""
    before = await driver.counts()
    version = (await driver.list(resource))["metadata"]["resourceVersion"]
    made: dict[Key, float] = {}
    applied: dict[Key, float] = {}

    async def create(manifest: Manifest) -> None:
        made[_key(manifest)] = time.monotonic()
        await driver.create(manifest)

    async def watch() -> None:
        async for _, found in driver.watch(resource, version):
            if is_applied(found):
                applied.setdefault(_key(found), time.monotonic())
            if len(applied) == len(wanted):
                return

    async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as group:
        group.create_task(watch())
        group.create_task(each(create, wanted))
    seconds = max(applied.values()) - min(made.values())
    latency = spread(applied[key] - made[key] for key in made)
    requests = (await driver.settle()).since(before)
    return Converged(len(wanted), seconds, latency, requests)


def is_applied(manifest: Manifest) -> bool:
    """Return whether the status speaks of the current spec."""
    observed = (manifest.get("status") or {}).get("observedGeneration")
    return bool(observed == manifest["metadata"]["generation"])


def _key(manifest: Manifest) -> Key:
    return manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]
