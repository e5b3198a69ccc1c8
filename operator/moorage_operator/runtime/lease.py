"""Which of the operator's processes may write: the one that holds a ``coordination.k8s.io`` Lease.

Separate because nothing else may know the protocol: whoever finds no sign of life for 15 s takes over, whoever could
not renew for 10 s stops, and the difference absorbs clocks that run apart. Times are measured by our own monotonic
clock from when *we* saw the record change, never compared across machines.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moorage_operator.runtime import apierrors, resources
from moorage_operator.runtime.clock import rfc3339_micro
from moorage_operator.runtime.log import fields

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from moorage_operator.runtime.client import Api
    from moorage_operator.runtime.clock import Clock

Manifest = dict[str, Any]

NAME = "moorage-operator"
"""Name of the Lease, in Moorage's own namespace."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Terms:
    """Durations in seconds; controller-runtime's."""

    duration: float = 15
    """A holder not heard of for so long has lost it."""
    deadline: float = 10
    """A holder that could not renew for so long stops its work."""
    retry: float = 2
    """Pause between two attempts."""


class Elector:
    """Runs ``lead`` while this process holds the Lease, and never without."""

    def __init__(self, api: Api, namespace: str, identity: str, clock: Clock, terms: Terms | None = None) -> None:
        self._api = api
        self._collection = resources.LEASE.path(namespace)
        self._path = resources.LEASE.path(namespace, NAME)
        self._namespace = namespace
        self._identity = identity
        self._clock = clock
        self._terms = terms or Terms()
        self._record: Manifest | None = None
        self._seen = 0.0
        self.is_leader = False
        self.refused = asyncio.Event()
        """Set once the Lease was another's, or out of reach."""

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Take the Lease, run ``lead``, stop it when the Lease is lost, and begin again; until cancelled.

        On cancellation ``lead`` ends first and the Lease is released after it.
        """
        try:
            while True:
                await self._acquire()
                await self._hold(lead)
        finally:
            await self._release()

    async def _acquire(self) -> None:
        while not await self._try_acquire():
            self.refused.set()
            await self._clock.sleep(self._terms.retry)
        self.is_leader = True
        _log.info("holding the lease", extra=fields(identity=self._identity))

    async def _hold(self, lead: Callable[[], Awaitable[None]]) -> None:
        work = asyncio.ensure_future(lead())
        renewing = asyncio.ensure_future(self._renew_until_lost())
        try:
            done, _ = await asyncio.wait({work, renewing}, return_when=asyncio.FIRST_COMPLETED)
            if work in done:
                work.result()
            reason = renewing.result() if renewing in done else "its work has ended"
        finally:
            self.is_leader = False
            await _stop(work)
            await _stop(renewing)
        _log.warning("lost the lease", extra=fields(identity=self._identity, reason=reason))

    async def _renew_until_lost(self) -> str:
        """Return, with the reason, when the Lease is another's or could not be renewed before the deadline."""
        renewed = self._clock.monotonic()
        while True:
            await self._clock.sleep(self._terms.retry)
            asked = self._clock.monotonic()
            left = renewed + self._terms.deadline - asked
            if left <= 0:
                return f"it could not be renewed for {self._terms.deadline:.0f} s"
            try:
                await self._write(self._ours(self._record), seconds=left)
            except (apierrors.ConflictError, apierrors.NotFoundError):
                if not await self._is_still_ours():
                    return f"{self._holder() or 'nobody'} holds it"
            except apierrors.ApiError as error:
                _log.warning("lease not renewed", extra=fields(error=str(error)))
            else:
                renewed = asked

    async def _is_still_ours(self) -> bool:
        """Read the record anew after a conflict: an unanswered renewal of ours may have been committed."""
        try:
            self._look(await self._read())
        except apierrors.ApiError:
            return True
        return self._holder() == self._identity

    async def _try_acquire(self) -> bool:
        try:
            self._look(await self._read())
            if not self._is_free():
                return False
            await self._write(self._ours(self._record), seconds=self._terms.deadline)
        except apierrors.ConflictError:
            return False
        except apierrors.ApiError as error:
            _log.warning("lease not acquired", extra=fields(error=str(error)))
            return False
        return True

    def _is_free(self) -> bool:
        """Tell whether we may take it: there is none, it is released or ours, or its holder is silent for too long."""
        holder = self._holder()
        return holder in ("", self._identity) or self._clock.monotonic() - self._seen >= self._terms.duration

    def _holder(self) -> str:
        return str((self._record or {}).get("spec", {}).get("holderIdentity") or "")

    def _look(self, record: Manifest | None) -> None:
        """Take a record; silence is counted from the last time it differed."""
        if _version(record) != _version(self._record) or record is None:
            self._record, self._seen = record, self._clock.monotonic()

    async def _read(self) -> Manifest | None:
        try:
            return await self._api.request("GET", self._path, seconds=self._terms.deadline)
        except apierrors.NotFoundError:
            return None

    async def _write(self, record: Manifest, seconds: float) -> None:
        """Create or replace the record; the resourceVersion in it makes a second writer fail."""
        if "resourceVersion" in record["metadata"]:
            answer = await self._api.request("PUT", self._path, body=record, seconds=seconds)
        else:
            answer = await self._api.request("POST", self._collection, body=record, seconds=seconds)
        self._look(answer)

    def _ours(self, record: Manifest | None) -> Manifest:
        now = rfc3339_micro(self._clock.now())
        spec = (record or {}).get("spec", {})
        is_ours = spec.get("holderIdentity") == self._identity
        metadata = {"name": NAME, "namespace": self._namespace}
        if record is not None:
            metadata["resourceVersion"] = record["metadata"]["resourceVersion"]
        return {
            "apiVersion": resources.LEASE.api_version,
            "kind": resources.LEASE.kind,
            "metadata": metadata,
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": int(self._terms.duration),
                "acquireTime": spec.get("acquireTime", now) if is_ours else now,
                "renewTime": now,
                "leaseTransitions": int(spec.get("leaseTransitions") or 0) + (0 if is_ours else 1),
            },
        }

    async def _release(self) -> None:
        """Give the Lease up so that the other process need not wait; it may cost a second, and never fails."""
        if self._holder() != self._identity:
            return
        with contextlib.suppress(apierrors.ApiError):
            try:
                await self._give_up()
            except apierrors.ConflictError:
                self._look(await self._read())
                await self._give_up()

    async def _give_up(self) -> None:
        """Write a record without a holder, unless the last one read is another's."""
        if self._holder() != self._identity:
            return
        record = self._ours(self._record)
        record["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
        await self._write(record, seconds=1)
        _log.info("released the lease", extra=fields(identity=self._identity))


async def _stop(task: asyncio.Future[Any]) -> None:
    """Cancel a task and wait until it has ended; its own failure was or will be told by who awaits it."""
    task.cancel()
    await asyncio.wait({task})


def _version(record: Manifest | None) -> str | None:
    return record["metadata"]["resourceVersion"] if record else None
