"""Tell the API server what this pod holds: its own entry in the status of each model.

Separate because reporting must never hold up serving: it is told the newest state, keeps what it could not say
yet, and an absent API server costs nothing but the delay.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from moorage_agent.errors import KubeError
from moorage_crds import API_VERSION, names
from moorage_crds.modeldeployment import ModelDeployment, Replica, ReplicaRevision

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from moorage_agent.metrics import Metrics

Entry = tuple[ReplicaRevision, ...]
"""What is reported of one model, ordered by revision."""

_COALESCE_SECONDS = 0.2
_RESYNC_SECONDS = 300.0
"""Every entry is applied again so often, unchanged and thus without a write in etcd: somebody may have cleared it."""
_LONGEST_DELAY = 30.0
_MAX_REVISIONS = 64
_GONE = 404

log = logging.getLogger(__name__)


class StatusWriter(Protocol):
    """Applies a status; ``kube.Kube`` does."""

    async def apply_status(self, model: str, manifest: Mapping[str, Any], manager: str) -> None:
        """Apply the manifest to the status of a ModelDeployment; raises KubeError."""


@dataclass(frozen=True)
class Pod:
    """Who reports."""

    name: str
    """Pod name, the key of the entry."""
    uid: str
    """Pod UID."""
    namespace: str
    """Tenant namespace."""


def manifest(pod: Pod, model: str, entry: Entry, changed: str) -> dict[str, Any]:
    """Return what to apply; an empty entry is left out, which removes what this pod said before."""
    replica = Replica(pod=pod.name, pod_uid=pod.uid, revisions=list(entry[:_MAX_REVISIONS]), last_change_time=changed)
    return {
        "apiVersion": API_VERSION,
        "kind": ModelDeployment.KIND,
        "metadata": {"name": model, "namespace": pod.namespace},
        "status": {"replicas": [replica.manifest()]} if entry else {},
    }


class Reporter:
    """Keeps the API server's copy of this pod's entries equal to the newest state."""

    def __init__(self, pod: Pod, writer: StatusWriter, now: Callable[[], str], metrics: Metrics) -> None:
        self._pod = pod
        self._writer = writer
        self._now = now
        self._metrics = metrics
        self._wanted: dict[str, tuple[Entry, str]] = {}
        self._sent: dict[str, tuple[Entry, str]] = {}
        self._dirty = asyncio.Event()
        self._round = 0
        """Counts ``forget_sent``, so that a write under way then is not taken for the one asked for."""

    def submit(self, entries: Mapping[str, Entry]) -> None:
        """Take over the newest state of every model; models that are left out hold nothing any more."""
        for model in sorted({*entries, *self._wanted}):
            entry = entries.get(model, ())
            if model not in self._wanted or self._wanted[model][0] != entry:
                self._wanted[model] = (entry, self._now())
                self._dirty.set()

    def forget_sent(self) -> None:
        """Apply every entry once more."""
        self._sent.clear()
        self._round += 1
        self._dirty.set()

    async def run(self) -> None:
        """Send for ever."""
        delay = _COALESCE_SECONDS
        while True:
            if await self._wait():
                await asyncio.sleep(delay)
                failed = not await self._send_all()
                delay = min(max(delay, 0.5) * 2, _LONGEST_DELAY) if failed else _COALESCE_SECONDS
            else:
                self.forget_sent()

    async def _wait(self) -> bool:
        """Return True when something is to be said, False when it is time to say everything again."""
        try:
            async with asyncio.timeout(_RESYNC_SECONDS * random.uniform(0.8, 1.2)):  # noqa: S311 # jitter, no secret
                await self._dirty.wait()
        except TimeoutError:
            return False
        return True

    async def _send_all(self) -> bool:
        """Send what differs; tell whether all of it arrived."""
        self._dirty.clear()
        differing = [(model, wanted) for model, wanted in self._wanted.items() if self._sent.get(model) != wanted]
        arrived = [await self._send(model, wanted) for model, wanted in differing]
        if all(arrived):
            return True
        self._dirty.set()
        return False

    async def _send(self, model: str, wanted: tuple[Entry, str]) -> bool:
        entry, changed = wanted
        asked = self._round
        try:
            body = manifest(self._pod, model, entry, changed)
            await self._writer.apply_status(model, body, names.agent_field_manager(self._pod.name))
        except KubeError as error:
            if error.status != _GONE:
                self._metrics.reports.labels("failed").inc()
                log.warning("status of model %s was not written: %s", model, error)
                return False
        self._metrics.reports.labels("written").inc()
        if asked == self._round:
            self._sent[model] = wanted
        if not entry and self._wanted[model] == wanted:
            del self._wanted[model]
            self._sent.pop(model, None)
        return True
