"""How long nobody repairs anything when the leader ends.

Separate because it needs two processes, and because the measure is the work, not the Lease: a child is deleted as the
leader ends, and the clock stops when the other process has put it back.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from moorage_crds import labels
from moorage_operator.runtime import resources

if TYPE_CHECKING:
    from bench.operators.driver import Driver
    from bench.operators.subject import Subject

Manifest = dict[str, Any]

LIMIT = 120.0


async def crash(driver: Driver, leader: Subject) -> float:
    """Kill the leader and return the seconds until the standby has repaired something."""
    return await _takeover(driver, leader.popen.kill)


async def rollout(driver: Driver, leader: Subject) -> float:
    """End the leader as a rolling update does and return the seconds until the standby has repaired something."""
    return await _takeover(driver, leader.popen.terminate)


async def _takeover(driver: Driver, end: Any) -> float:
    kind = resources.SERVICE
    listed = await driver.list(kind, labels.TENANT)
    target = {"apiVersion": kind.api_version, "kind": kind.kind, **listed["items"][len(listed["items"]) // 2]}
    began = time.monotonic()
    end()
    await driver.delete(target)
    async with asyncio.timeout(LIMIT):
        async for event, found in driver.watch(kind, listed["metadata"]["resourceVersion"], labels.TENANT):
            if (
                event == "ADDED"
                and found["metadata"]["name"] == target["metadata"]["name"]
                and (found["metadata"]["namespace"] == target["metadata"]["namespace"])
            ):
                return time.monotonic() - began
    raise TimeoutError("the watch ended before the repair")
