"""How soon a child that somebody edited or deleted is as it was, by kind.

Separate because it needs an eye on each kind: a watch of the driver's own, which sees the repair when any client
would. Time runs from before the driver's own request, so it includes that.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.operators.driver import Driver
from bench.operators.figures import NEVER, Spread, spread
from moorage_crds import labels
from moorage_operator.runtime import resources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moorage_operator.runtime.resources import Resource

Manifest = dict[str, Any]
Key = tuple[str, str]

EDITED = (
    resources.NAMESPACE,
    resources.NETWORK_POLICY,
    resources.SERVICE_ACCOUNT,
    resources.ROLE_BINDING,
    resources.RESOURCE_QUOTA,
    resources.LIMIT_RANGE,
    resources.SERVICE,
    resources.POD_DISRUPTION_BUDGET,
    resources.DEPLOYMENT,
    resources.STATEFUL_SET,
)
"""Not the Secret, which is made once and never applied, nor a ControllerRevision, whose data the API server takes for
changed when only its white space is."""
DELETED = (*EDITED[1:], resources.CONTROLLER_REVISION, resources.SECRET)
"""Not the Namespace: a deleted one stays Terminating without controllers."""


@dataclass
class _Eye:
    """What a watch of one kind has seen last, and who waits for what."""

    seen: dict[Key, Manifest] = field(default_factory=dict)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def look(self, driver: Driver, resource: Resource, version: str) -> None:
        """Follow the kind until cancelled."""
        async for kind, found in driver.watch(resource, version, labels.TENANT):
            async with self.changed:
                if kind == "DELETED":
                    self.seen.pop(_key(found), None)
                else:
                    self.seen[_key(found)] = found
                self.changed.notify_all()

    async def wait(self, key: Key, is_repaired: Callable[[Manifest | None], bool], patience: float) -> float:
        """Return when an object is as it should be, on the monotonic clock; NEVER when it does not become so."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience), self.changed:
                await self.changed.wait_for(lambda: is_repaired(self.seen.get(key)))
                return time.monotonic()
        return NEVER


Harm = Callable[[Driver, _Eye, Manifest, float], Awaitable[float]]
"""Breaks one object and returns the seconds until it is as it was."""


async def edits(driver: Driver, samples: int, patience: float) -> dict[str, Spread]:
    """Change a label of some children of each kind; returns the seconds until it is back."""
    return {one.kind: await _each_sample(driver, one, samples, patience, _edit) for one in EDITED}


async def deletions(driver: Driver, samples: int, patience: float) -> dict[str, Spread]:
    """Delete some children of each kind; returns the seconds until they are back."""
    return {one.kind: await _each_sample(driver, one, samples, patience, _delete) for one in DELETED}


async def _each_sample(driver: Driver, resource: Resource, samples: int, patience: float, harm: Harm) -> Spread:
    listed = await driver.list(resource, labels.TENANT)
    kind = {"apiVersion": resource.api_version, "kind": resource.kind}
    items = [{**kind, **one} for one in listed["items"]]
    eye = _Eye({_key(one): one for one in items})
    watching = asyncio.create_task(eye.look(driver, resource, listed["metadata"]["resourceVersion"]))
    try:
        return spread([await harm(driver, eye, one, patience) for one in _some(items, samples)])
    finally:
        watching.cancel()
        await asyncio.wait({watching})


async def _edit(driver: Driver, eye: _Eye, target: Manifest, patience: float) -> float:
    began = time.monotonic()
    edited = await driver.merge(target, {"metadata": {"labels": {labels.MANAGED_BY: "somebody"}}})
    since = _version(edited)

    def is_repaired(found: Manifest | None) -> bool:
        return found is not None and _version(found) > since and _is_managed(found)

    return await eye.wait(_key(target), is_repaired, patience) - began


async def _delete(driver: Driver, eye: _Eye, target: Manifest, patience: float) -> float:
    began = time.monotonic()
    await driver.delete(target)

    def is_repaired(found: Manifest | None) -> bool:
        return found is not None and found["metadata"]["uid"] != target["metadata"]["uid"]

    return await eye.wait(_key(target), is_repaired, patience) - began


def _is_managed(found: Manifest) -> bool:
    return bool(found["metadata"].get("labels", {}).get(labels.MANAGED_BY) == labels.MANAGER)


def _version(found: Manifest) -> int:
    return int(found["metadata"]["resourceVersion"])


def _some(items: list[Manifest], count: int) -> Sequence[Manifest]:
    """Return some of many, spread evenly over all."""
    step = max(len(items) // count, 1)
    return items[::step][:count]


def _key(manifest: Manifest) -> Key:
    return manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]
