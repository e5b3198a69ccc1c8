"""Which revisions of a model exist, which serves, and what agents are told about each.

Separate from status because the ControllerRevisions are the record that status is derived from: promotions are written
on them, so clearing every status loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from moorage_crds import API_VERSION, labels, names
from moorage_crds.modeldeployment import ModelDeployment
from moorage_crds.revision import HASH_LENGTH, hash8
from moorage_operator.reconcile import times
from moorage_operator.reconcile.identity import common_labels
from moorage_operator.reconcile.world import Manifest

API: Final = "apps/v1"
KIND: Final = "ControllerRevision"

DRAIN: Final = timedelta(seconds=10)
"""Time a replaced revision stays loaded: gateways need to see the new traffic, requests in flight need to end."""

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision of a model, as it is or as it shall be."""

    hash: str
    """8 hex digits."""
    data: Mapping[str, Any]
    """The immutable snapshot, see ``moorage_crds.revision``."""
    number: int
    """Grows each time the spec asks for another revision; history is kept by it."""
    promoted_at: datetime | None = None
    """Last time it became stable, None for one that never did."""
    intent: str | None = None
    """``labels.WANTED``, ``labels.DRAINING`` or None for history."""
    observed: Manifest | None = None
    """The ControllerRevision it was read from, None for one to be made."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """The revisions of a model as they shall be, and which of them matter."""

    revisions: tuple[Revision, ...]
    """All that are kept, oldest number first."""
    expired: tuple[Manifest, ...]
    """ControllerRevisions beyond the history, or of a deleted model of the same name."""
    stable: Revision | None
    target: Revision | None
    """What the spec asks for; None when it asks for something impossible."""


def observe(model: Manifest, controller_revisions: Iterable[Manifest]) -> tuple[Revision, ...]:
    """Return the model's own revisions, oldest number first."""
    own = (_read(item) for item in controller_revisions if is_owned(item, model) and not _is_going(item))
    return tuple(sorted(own, key=lambda revision: revision.number))


def is_owned(controller_revision: Manifest, model: Manifest) -> bool:
    """Return whether the revision belongs to this very model, not to a deleted one of the same name."""
    owners = controller_revision["metadata"].get("ownerReferences") or ()
    return any(owner["uid"] == model["metadata"]["uid"] for owner in owners)


def _is_going(controller_revision: Manifest) -> bool:
    return bool(controller_revision["metadata"].get("deletionTimestamp"))


def _read(item: Manifest) -> Revision:
    annotations: Mapping[str, str] = item["metadata"].get("annotations") or {}
    return Revision(
        hash=item["metadata"]["name"][-HASH_LENGTH:],
        data=item.get("data") or {},
        number=item["revision"],
        promoted_at=times.parse(annotations.get(labels.PROMOTED_AT, "")),
        intent=annotations.get(labels.INTENT),
        observed=item,
    )


def collides(revisions: Iterable[Revision], data: Mapping[str, Any]) -> bool:
    """Return whether another snapshot already has the hash of ``data``."""
    return any(revision.hash == hash8(data) and revision.data != data for revision in revisions)


def with_target(revisions: tuple[Revision, ...], data: Mapping[str, Any]) -> tuple[Revision, ...]:
    """Return the revisions with that of ``data`` last: made new, or brought back from history."""
    wanted = hash8(data)
    if revisions and revisions[-1].hash == wanted:
        return revisions
    number = revisions[-1].number + 1 if revisions else 1
    others = tuple(revision for revision in revisions if revision.hash != wanted)
    known = next((revision for revision in revisions if revision.hash == wanted), None)
    return (*others, replace(known, number=number) if known else Revision(wanted, data, number))


def stable_of(revisions: Iterable[Revision]) -> Revision | None:
    """Return the revision promoted last, None before the first promotion."""
    promoted = [revision for revision in revisions if revision.promoted_at]
    return max(promoted, key=_promotion, default=None)


def _promotion(revision: Revision) -> tuple[datetime, int]:
    return revision.promoted_at or _NEVER, revision.number


def promote(revisions: tuple[Revision, ...], target: Revision, now: datetime) -> tuple[Revision, ...]:
    """Return the revisions with ``target`` stable; later than any earlier promotion even if the clock went back."""
    latest = max((revision.promoted_at or _NEVER for revision in revisions), default=_NEVER)
    moment = now if now > latest else latest + timedelta(microseconds=1)
    return tuple(
        replace(revision, promoted_at=moment) if revision.hash == target.hash else revision for revision in revisions
    )


def drains_until(revision: Revision, revisions: Iterable[Revision]) -> datetime | None:
    """Return when a replaced revision may be unloaded, None for one that never served or serves now."""
    if revision.promoted_at is None:
        return None
    later = [other.promoted_at for other in revisions if other.promoted_at and other.promoted_at > revision.promoted_at]
    return min(later) + DRAIN if later else None


def plan(
    revisions: tuple[Revision, ...],
    target: Revision | None,
    forbidden: frozenset[str],
    history_limit: int,
    now: datetime,
) -> Rollout:
    """Return what agents are told: hold target and stable, drain what was replaced, forget the rest.

    ``forbidden`` are hashes that must not be loaded whatever they once were.
    """
    allowed = tuple(revision for revision in revisions if revision.hash not in forbidden)
    stable = stable_of(allowed)
    wanted = {revision.hash for revision in (stable, target) if revision}
    told = tuple(replace(revision, intent=_intent(revision, allowed, wanted, forbidden, now)) for revision in revisions)
    idle = [revision for revision in told if revision.intent is None]
    expired = idle[: max(len(idle) - history_limit, 0)]
    gone = {revision.hash for revision in expired}
    return Rollout(
        revisions=tuple(revision for revision in told if revision.hash not in gone),
        expired=tuple(revision.observed for revision in expired if revision.observed),
        stable=stable,
        target=target,
    )


def _intent(
    revision: Revision, allowed: tuple[Revision, ...], wanted: set[str], forbidden: frozenset[str], now: datetime
) -> str | None:
    if revision.hash in wanted:
        return labels.WANTED
    until = drains_until(revision, allowed)
    is_draining = until is not None and now < until and revision.hash not in forbidden
    return labels.DRAINING if is_draining else None


def manifest(revision: Revision, model: Manifest, tenant: str) -> dict[str, Any]:
    """Return the ControllerRevision of a revision."""
    metadata = model["metadata"]
    return {
        "apiVersion": API,
        "kind": KIND,
        "metadata": {
            "name": names.controller_revision(metadata["name"], revision.hash),
            "namespace": metadata["namespace"],
            "labels": common_labels(tenant) | {labels.MODEL: metadata["name"]},
            "ownerReferences": [_owner(metadata)],
        }
        | _annotations(revision),
        "data": revision.data,
        "revision": revision.number,
    }


def _annotations(revision: Revision) -> dict[str, Any]:
    """Return the annotations for the metadata; nothing at all without any, since nobody owns an empty map."""
    given = {
        labels.INTENT: revision.intent,
        labels.PROMOTED_AT: times.as_microseconds(revision.promoted_at) if revision.promoted_at else None,
    }
    annotations = {key: value for key, value in given.items() if value}
    return {"annotations": annotations} if annotations else {}


def _owner(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": ModelDeployment.KIND,
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": False,
    }
