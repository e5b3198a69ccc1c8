"""Which replicas answer for a model: traffic x ready replicas. Pure, so that each rule is a line of a test table.

Addresses come from the EndpointSlices of the tenant's own Service alone; the model's status says which revisions a
pod holds, and nothing else is read from it. A status entry that names a pod of another tenant therefore leads
nowhere: no slice of this tenant's namespace holds that pod's UID.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from moorage_crds import names

_REVISION = re.compile(r"[0-9a-f]{8}")
_LOADED = "Loaded"


class Standing(IntEnum):
    """How sure a pod is to answer, the surest first."""

    READY = 0
    LEAVING = 1
    """It is ending and answers on meanwhile: asked where a pod that replaces it has not yet said what it holds."""
    UNREADY = 2
    """Not ready in Kubernetes' eyes, which an agent that is restarted makes a pod whose Triton serves all the while."""


@dataclass(frozen=True)
class Replica:
    """A Triton pod that is ready to answer."""

    uid: str
    """Pod UID; an address is reused by other pods, a UID never."""
    pod: str
    """Pod name, for the answer's headers and for logs."""
    address: str
    """IP address, IPv6 without brackets."""
    standing: Standing = Standing.READY
    """How sure it is to answer; of the pods that hold a revision the surest are asked, and no others."""


@dataclass(frozen=True)
class Target:
    """A revision that takes part in the traffic, and the replicas that hold it."""

    revision: str
    """Revision hash, 8 hex digits."""
    triton_name: str
    """Name under which Triton serves the revision."""
    weight: int
    """Share in percent; shares of absent targets fall to the ones that are there."""
    replicas: tuple[Replica, ...]


@dataclass(frozen=True)
class Choice:
    """One revision on one replica."""

    revision: str
    triton_name: str
    replica: Replica


def ready_replicas(tenant: str, slices: Iterable[Mapping[str, Any]]) -> tuple[Replica, ...]:
    """Return the ready pods in the EndpointSlices of the tenant's namespace, or the next best if there are none."""
    return _preferred(_replicas(tenant, slices))


def _replicas(tenant: str, slices: Iterable[Mapping[str, Any]]) -> tuple[Replica, ...]:
    """Return the pods that may answer, each once, ordered by UID."""
    namespace = names.tenant_namespace(tenant)
    found: dict[str, Replica] = {}
    for item in slices:
        if item["metadata"].get("namespace") == namespace and item.get("addressType") in {"IPv4", "IPv6"}:
            found.update({replica.uid: replica for replica in map(_replica, item.get("endpoints") or ()) if replica})
    return tuple(found[uid] for uid in sorted(found))


def routes(tenant: str, model: Mapping[str, Any], slices: Iterable[Mapping[str, Any]]) -> tuple[Target, ...]:
    """Return the targets of a model's traffic that at least one ready replica holds.

    ``model`` is a ModelDeployment, ``slices`` EndpointSlices. Nothing is returned for a model of another namespace.
    """
    if model["metadata"].get("namespace") != names.tenant_namespace(tenant):
        return ()
    status = model.get("status") or {}
    replicas = _replicas(tenant, slices)
    targets = (_target(model["metadata"]["name"], share, status, replicas) for share in status.get("traffic") or ())
    return tuple(target for target in targets if target)


def only(targets: Iterable[Target], revision: str) -> tuple[Target, ...]:
    """Return the targets of one revision."""
    return tuple(target for target in targets if target.revision == revision)


def without(targets: Iterable[Target], replica: Replica) -> tuple[Target, ...]:
    """Return the targets as they are when one replica does not answer."""
    left = (
        Target(each.revision, each.triton_name, each.weight, tuple(r for r in each.replicas if r.uid != replica.uid))
        for each in targets
    )
    return tuple(target for target in left if target.replicas)


def without_holding(targets: Iterable[Target], choice: Choice) -> tuple[Target, ...]:
    """Return the targets as they are when a replica does not hold a revision after all; it may hold the others."""
    return tuple(
        left
        for each in targets
        for left in (without((each,), choice.replica) if each.revision == choice.revision else (each,))
    )


def pick(targets: tuple[Target, ...], draw: float, in_flight: Callable[[str], int]) -> Choice | None:
    """Choose a revision by weight, then its replica with the fewest requests in flight.

    ``draw`` is a number in [0, 1) that the caller throws; ``in_flight`` tells the requests a pod UID is answering.
    Equal counts are decided by the draw too, so that idle replicas share the work.
    """
    if not targets:
        return None
    target, rest = _by_weight(targets, draw)
    start = int(rest * len(target.replicas))
    turned = target.replicas[start:] + target.replicas[:start]
    replica = min(turned, key=lambda each: in_flight(each.uid))
    return Choice(target.revision, target.triton_name, replica)


def _by_weight(targets: tuple[Target, ...], draw: float) -> tuple[Target, float]:
    """Return the target the draw falls on, and where in its share it fell, as a number in [0, 1)."""
    point = draw * sum(target.weight for target in targets)
    for target in targets:
        if point < target.weight:
            return target, point / target.weight
        point -= target.weight
    return targets[-1], 0.0  # only floating-point rounding leads here


def _replica(endpoint: Mapping[str, Any]) -> Replica | None:
    reference = endpoint.get("targetRef") or {}
    uid, addresses = reference.get("uid"), endpoint.get("addresses")
    standing = _standing(endpoint.get("conditions") or {})
    if not uid or not addresses or standing is None:
        return None
    return Replica(uid, reference.get("name", ""), addresses[0], standing)


def _standing(conditions: Mapping[str, Any]) -> Standing | None:
    """Return how sure a pod is to answer, None for one that has ended its work."""
    if conditions.get("ready") is True:
        return Standing.READY
    if conditions.get("terminating") is True:
        return Standing.LEAVING if conditions.get("serving") is True else None
    return Standing.UNREADY


def _preferred(replicas: tuple[Replica, ...]) -> tuple[Replica, ...]:
    """Return the surest."""
    best = min((replica.standing for replica in replicas), default=Standing.READY)
    return tuple(replica for replica in replicas if replica.standing is best)


def _target(
    model: str, share: Mapping[str, Any], status: Mapping[str, Any], replicas: tuple[Replica, ...]
) -> Target | None:
    """Return the target of one line of traffic; the Triton name is derived, whatever the status says."""
    revision, weight = share.get("revision", ""), share.get("weight", 0)
    if weight <= 0 or not _REVISION.fullmatch(revision):
        return None
    holders = {
        (entry.get("podUID"), entry.get("pod"))
        for entry in status.get("replicas") or ()
        if any(held["name"] == revision and held["state"] == _LOADED for held in entry.get("revisions") or ())
    }
    holding = _preferred(tuple(replica for replica in replicas if (replica.uid, replica.pod) in holders))
    return Target(revision, names.triton_name(model, revision), weight, holding) if holding else None
