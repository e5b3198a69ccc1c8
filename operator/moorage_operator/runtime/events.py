"""Kubernetes Events for what people should hear of: a change of Ready or Stalled, and a rotation of credentials.

Separate because telling is never allowed to hold up or fail the work: Events wait in a short line of their own, a
repeated one only counts up, and one that cannot be written is counted and forgotten.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moorage_crds import conditions, names
from moorage_operator.runtime import apierrors, client, resources
from moorage_operator.runtime.clock import rfc3339
from moorage_operator.runtime.log import fields

if TYPE_CHECKING:
    from moorage_operator.metrics import Metrics
    from moorage_operator.runtime.client import Api
    from moorage_operator.runtime.clock import Clock

Manifest = dict[str, Any]

LINE = 256
"""Events that may wait; further ones are lost."""
REMEMBERED = 4096
"""Events whose count is remembered."""
MESSAGE_MAX = 1000
"""Longest message, in characters."""
CLUSTER_SCOPED = "default"
"""Namespace of Events about cluster-scoped objects; the API server takes no other, and ``kubectl describe`` looks
there."""

_ROTATED = "CredentialsRotated"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Happening:
    """What an Event tells."""

    kind: str
    """``Normal`` or ``Warning``."""
    reason: str
    message: str


def between(before: Manifest | None, after: Manifest) -> tuple[Happening, ...]:
    """Return what a status write changed in the eyes of people."""
    old, new = _conditions(before or {}), _conditions(after)
    return tuple(each for each in (_readiness(old, new), _rotation(old, new)) if each)


def _readiness(old: dict[str, Manifest], new: dict[str, Manifest]) -> Happening | None:
    """Ready decides; where it stays the same, becoming Stalled does."""
    ready, stalled = new.get(conditions.READY), new.get(conditions.STALLED)
    is_stalled = stalled is not None and stalled["status"] == "True"
    if ready is not None and _mark(ready) != _mark(old.get(conditions.READY)):
        return _happening(ready, is_warning=is_stalled)
    if is_stalled and stalled is not None and _mark(stalled) != _mark(old.get(conditions.STALLED)):
        return _happening(stalled, is_warning=True)
    return None


def _rotation(old: dict[str, Manifest], new: dict[str, Manifest]) -> Happening | None:
    """Tell when old keys begin to end, and when they have."""
    was, now = (found.get(conditions.CREDENTIALS_READY) for found in (old, new))
    if now is None or _is_rotating(was) == _is_rotating(now):
        return None
    if _is_rotating(now):
        return _happening(now, is_warning=False)
    return Happening("Normal", _ROTATED, conditions.REASONS[_ROTATED])


def _is_rotating(condition: Manifest | None) -> bool:
    return condition is not None and condition["reason"] == "RotatingCredentials"


class Recorder:
    """Writes Events in the background; ``run`` must run for any to be written."""

    def __init__(self, api: Api, metrics: Metrics, clock: Clock, instance: str) -> None:
        self._api = api
        self._metrics = metrics
        self._clock = clock
        self._instance = instance
        self._line: asyncio.Queue[Manifest] = asyncio.Queue(LINE)
        self._known: OrderedDict[str, tuple[int, str]] = OrderedDict()

    def transition(self, before: Manifest | None, after: Manifest) -> None:
        """Tell of a status write, if it changed anything worth telling; never waits and never raises."""
        for happening in between(before, after):
            try:
                self._line.put_nowait(self._event(happening, after))
            except asyncio.QueueFull:
                self._metrics.events_lost.inc()

    async def run(self) -> None:
        """Write Events until cancelled."""
        while True:
            await self._write(await self._line.get())

    async def _write(self, event: Manifest) -> None:
        metadata = event["metadata"]
        path = resources.EVENT.path(metadata["namespace"], metadata["name"])
        params = {"fieldManager": names.FIELD_MANAGER, "force": "true"}
        try:
            await self._api.request("PATCH", path, params=params, body=event, content_type=client.APPLY)
        except apierrors.ApiError as error:
            self._metrics.events_lost.inc()
            _log.info("event lost", extra=fields(error=str(error)))

    def _event(self, happening: Happening, about: Manifest) -> Manifest:
        metadata = about["metadata"]
        reference = {
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            **({"namespace": metadata["namespace"]} if "namespace" in metadata else {}),
        }
        name = _event_name(metadata, happening)
        count, first = self._count(name)
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": metadata.get("namespace", CLUSTER_SCOPED)},
            "involvedObject": reference,
            "type": happening.kind,
            "reason": happening.reason,
            "message": happening.message,
            "source": {"component": names.FIELD_MANAGER},
            "reportingComponent": names.FIELD_MANAGER,
            "reportingInstance": self._instance,
            "firstTimestamp": first,
            "lastTimestamp": rfc3339(self._clock.now()),
            "count": count,
        }

    def _count(self, name: str) -> tuple[int, str]:
        """Return how often this Event has happened, now included, and when it first did."""
        count, first = self._known.pop(name, (0, rfc3339(self._clock.now())))
        self._known[name] = (count + 1, first)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return self._known[name]


def _conditions(manifest: Manifest) -> dict[str, Manifest]:
    return {one["type"]: one for one in manifest.get("status", {}).get("conditions") or ()}


def _mark(condition: Manifest | None) -> tuple[str, str] | None:
    return (condition["status"], condition["reason"]) if condition else None


def _happening(condition: Manifest, *, is_warning: bool) -> Happening:
    message = str(condition.get("message") or "")[:MESSAGE_MAX]
    return Happening("Warning" if is_warning else "Normal", condition["reason"], message)


def _event_name(metadata: Manifest, happening: Happening) -> str:
    """Return the same name for the same happening of the same object, so that a repetition counts up."""
    parts = (metadata["uid"], happening.kind, happening.reason, happening.message)
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return f"{metadata['name']}.{digest}"
