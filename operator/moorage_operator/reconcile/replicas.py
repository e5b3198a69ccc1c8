"""Triton pods: which exist and are ready, and what their agents say of a revision.

Separate because readiness comes from EndpointSlices and holdings from status; neither alone may promote a revision.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from moorage_crds.conditions import REASONS
from moorage_operator.reconcile import times
from moorage_operator.reconcile.actions import RemoveReplicaEntries
from moorage_operator.reconcile.world import Manifest, World

FAILED_STATES: Final = frozenset({"FetchFailed", "LoadFailed"})

_HOLDING_STATES: Final = frozenset({"Loading", "Loaded", "Unloading"})

VANISHED_AFTER: Final = timedelta(seconds=60)
"""Least age of an entry before its pod counts as gone: a new pod's agent may speak before its endpoint is seen."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one ready pod says of one revision."""

    pod: str
    state: str
    """One of ReplicaRevision's states, or ``Pending`` when the pod says nothing."""
    message: str
    reason: str = ""
    """Why it failed, in one of ``REASONS``; the state where the agent has no closer word."""


def ready_pods(world: World) -> frozenset[str]:
    """Return the UIDs of pods that the Service sends traffic to."""
    return frozenset(uid for uid, endpoint in _endpoints(world) if _is_ready(endpoint))


def _endpoints(world: World) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for endpoint_slice in world.endpoint_slices:
        for endpoint in endpoint_slice.get("endpoints") or ():
            uid = (endpoint.get("targetRef") or {}).get("uid")
            if uid:
                yield uid, endpoint


def _is_ready(endpoint: Mapping[str, Any]) -> bool:
    """Return whether an endpoint is ready; the API says that an unset condition counts as true."""
    ready = (endpoint.get("conditions") or {}).get("ready")
    return ready is None or bool(ready)


def reports(model: Manifest, revision: str, ready: frozenset[str]) -> tuple[Report, ...]:
    """Return what each ready pod says of a revision, one report per pod, by pod name."""
    said = {entry["podUID"]: entry for entry in entries(model)}
    return tuple(
        sorted(
            (_report(said.get(uid), revision, uid) for uid in ready),
            key=lambda report: report.pod,
        )
    )


def _report(entry: Mapping[str, Any] | None, revision: str, uid: str) -> Report:
    if entry is None:
        return Report(uid, "Pending", "")
    found = next((item for item in entry.get("revisions") or () if item["name"] == revision), {"state": "Pending"})
    return Report(entry["pod"], found["state"], found.get("message") or "", _reason(found))


def _reason(found: Mapping[str, Any]) -> str:
    """Return the agent's reason, or its state where that is unknown here: agents may be newer than the operator."""
    reason = found.get("reason") or ""
    return reason if reason in REASONS else str(found["state"])


def held(model: Manifest, ready: frozenset[str]) -> frozenset[str]:
    """Return the hashes of the revisions that take memory on a ready pod."""
    said = (item for entry in entries(model) if entry["podUID"] in ready for item in entry.get("revisions") or ())
    return frozenset(item["name"] for item in said if item["state"] in _HOLDING_STATES)


def entries(model: Manifest) -> list[Mapping[str, Any]]:
    """Return what each pod's agent says of a model."""
    return (model.get("status") or {}).get("replicas") or []


def removal(world: World, model: Manifest, now: datetime) -> RemoveReplicaEntries | None:
    """Return the patch that removes entries of pods that are gone, None when there are none.

    Last entry first, so that earlier indexes stay right; ``test`` guards against a list that has moved meanwhile.
    """
    gone = [index for index, due in _vanished(world, model) if due <= now]
    if not gone:
        return None
    said = entries(model)
    patch = [step for index in reversed(gone) for step in _remove(index, said[index]["podUID"])]
    return RemoveReplicaEntries(model["metadata"]["namespace"], model["metadata"]["name"], tuple(patch))


def _remove(index: int, uid: str) -> tuple[dict[str, Any], dict[str, Any]]:
    path = f"/status/replicas/{index}"
    return {"op": "test", "path": f"{path}/podUID", "value": uid}, {"op": "remove", "path": path}


def removals_due(world: World, model: Manifest) -> Iterator[datetime]:
    """Yield the times at which entries of pods without an endpoint are to be removed."""
    return (due for _, due in _vanished(world, model))


def _vanished(world: World, model: Manifest) -> Iterator[tuple[int, datetime]]:
    """Yield index and due time of each entry without a pod; none while no EndpointSlice at all is known."""
    if not world.endpoint_slices:
        return
    known = {uid for uid, _ in _endpoints(world)}
    known |= {pod["metadata"]["uid"] for (kind, _), pod in world.children.items() if kind == "Pod"}
    for index, entry in enumerate(entries(model)):
        if entry["podUID"] not in known:
            changed = times.parse(entry.get("lastChangeTime") or "")
            yield index, (changed or times.EPOCH) + VANISHED_AFTER
