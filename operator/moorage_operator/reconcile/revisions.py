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
from moorage_operator.reconcile import rejections, times
from moorage_operator.reconcile.identity import common_labels
from moorage_operator.reconcile.rejections import Rejection
from moorage_operator.reconcile.shares import Share, shares
from moorage_operator.reconcile.world import Manifest

API: Final = "apps/v1"
KIND: Final = "ControllerRevision"

DRAIN: Final = timedelta(seconds=10)
"""Time a revision stays loaded after it left the traffic: gateways need to see that, requests in flight need to end."""

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
    canary_since: datetime | None = None
    """Since when it has had a canary's share of the traffic, None for one that has none."""
    draining_since: datetime | None = None
    """Since when it has been draining."""
    rejection: Rejection | None = None
    """Why it shall not serve, None when nothing speaks against it."""
    intent: str | None = None
    """``labels.WANTED``, ``labels.DRAINING`` or None for history."""
    credentials: str | None = None
    """Secret that its source is fetched with."""
    digest: str | None = None
    """Manifest digest of its folder when it was first fetched."""
    egress: str | None = None
    """Ranges that its source may lead to although they are not public."""
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
    previous: Revision | None = None
    """What served before the stable revision and can serve again."""
    traffic: tuple[Share, ...] = ()
    is_replacing: bool = False
    """The target waits until the old revision is unloaded."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What decides about a model's revisions besides themselves and the clock."""

    history_limit: int
    weight: int | None = None
    """A candidate's share, None without a canary."""
    recreates: bool = False
    """Never hold two revisions."""
    forbidden: frozenset[str] = frozenset()
    """Hashes that must not be loaded whatever they once were."""
    served: frozenset[str] = frozenset()
    """Hashes that the observed status has in the traffic. Gateways act on that status, so a revision is not drained
    before it has left it: whatever is interrupted in between, requests find what they are sent to."""
    held: frozenset[str] = frozenset()
    """Hashes that a ready pod says it holds."""
    needed: frozenset[str] = frozenset()
    """Hashes that held revisions of other models are built on."""


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
        canary_since=times.parse(annotations.get(labels.CANARY_SINCE, "")),
        draining_since=times.parse(annotations.get(labels.DRAINING_SINCE, "")),
        rejection=rejections.parse(annotations.get(labels.REJECTED)),
        intent=annotations.get(labels.INTENT),
        credentials=annotations.get(labels.CREDENTIALS_FROM),
        digest=annotations.get(labels.SOURCE_DIGEST),
        egress=annotations.get(labels.EGRESS_CIDRS),
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
    known = find(revisions, wanted)
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
    return _changed(revisions, replace(target, promoted_at=moment, canary_since=None))


def start_canary(revisions: tuple[Revision, ...], target: Revision, now: datetime) -> tuple[Revision, ...]:
    """Return the revisions with ``target`` in the traffic since now, unless it has been there for longer."""
    return _changed(revisions, replace(target, canary_since=target.canary_since or now))


def judge(revisions: tuple[Revision, ...], target: Revision, rejection: Rejection | None) -> tuple[Revision, ...]:
    """Return the revisions with ``target`` rejected, or with None free to be tried again."""
    return _changed(revisions, replace(target, rejection=rejection))


def find(revisions: Iterable[Revision], wanted: str) -> Revision | None:
    """Return the revision of a hash."""
    return next((revision for revision in revisions if revision.hash == wanted), None)


def _changed(revisions: tuple[Revision, ...], changed: Revision) -> tuple[Revision, ...]:
    return tuple(changed if revision.hash == changed.hash else revision for revision in revisions)


def drains_until(revision: Revision) -> datetime | None:
    """Return when a revision that has left the traffic may be unloaded, None for one that is not draining."""
    return revision.draining_since + DRAIN if revision.draining_since else None


def plan(revisions: tuple[Revision, ...], target: Revision | None, terms: Terms, now: datetime) -> Rollout:
    """Return what agents are told: hold target and stable, drain what left the traffic, forget the rest."""
    stable = stable_of(revision for revision in revisions if revision.hash not in terms.forbidden)
    is_next = target is not None and (stable is None or stable.hash != target.hash) and target.rejection is None
    candidate = target if is_next else None
    wanted = _wanted(revisions, stable, candidate, terms)
    told = tuple(_told(revision, wanted, terms, now) for revision in revisions)
    kept = {revision.hash for revision in (stable, target) if revision}
    idle = [revision for revision in told if revision.intent is None and revision.hash not in kept]
    expired = idle[: max(len(idle) - terms.history_limit, 0)]
    gone = {revision.hash for revision in expired}
    return Rollout(
        revisions=tuple(revision for revision in told if revision.hash not in gone),
        expired=tuple(revision.observed for revision in expired if revision.observed),
        stable=stable,
        target=target,
        previous=_previous(revisions, stable, terms, gone),
        traffic=() if terms.recreates and candidate else shares(stable, candidate, terms.weight),
        is_replacing=terms.recreates and not wanted,
    )


def _previous(revisions: Iterable[Revision], stable: Revision | None, terms: Terms, gone: set[str]) -> Revision | None:
    barred = terms.forbidden | gone | {revision.hash for revision in revisions if revision.rejection}
    barred |= {stable.hash} if stable else frozenset()
    return stable_of(revision for revision in revisions if revision.hash not in barred)


def _wanted(
    revisions: Iterable[Revision], stable: Revision | None, candidate: Revision | None, terms: Terms
) -> frozenset[str]:
    """Return the hashes to be held; of a model that is never held twice, the next one once all others are gone."""
    if not terms.recreates:
        return frozenset(revision.hash for revision in (stable, candidate) if revision) | terms.needed
    following = candidate or stable
    if following is None:
        return frozenset()
    is_told = any(revision.intent for revision in revisions if revision.hash != following.hash)
    is_free = not is_told and not terms.held - {following.hash}
    return frozenset({following.hash}) if is_free or following.intent == labels.WANTED else frozenset()


def _told(revision: Revision, wanted: frozenset[str], terms: Terms, now: datetime) -> Revision:
    """Return the revision with its intent and with the times that go with it."""
    if revision.hash in terms.forbidden:
        return _idle(revision)
    if revision.hash in wanted:
        return replace(revision, intent=labels.WANTED, draining_since=None)
    if revision.intent == labels.WANTED and revision.hash in terms.served:
        return revision
    has_served = revision.intent == labels.DRAINING or (revision.intent == labels.WANTED and _has_served(revision))
    since = revision.draining_since or now
    if has_served and now < since + DRAIN:
        return replace(revision, intent=labels.DRAINING, canary_since=None, draining_since=since)
    return _idle(revision)


def _has_served(revision: Revision) -> bool:
    return revision.promoted_at is not None or revision.canary_since is not None


def _idle(revision: Revision) -> Revision:
    return replace(revision, intent=None, canary_since=None, draining_since=None)


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
    moments = {
        labels.PROMOTED_AT: revision.promoted_at,
        labels.CANARY_SINCE: revision.canary_since,
        labels.DRAINING_SINCE: revision.draining_since,
    }
    given = {key: times.as_microseconds(moment) for key, moment in moments.items() if moment}
    words = {
        labels.INTENT: revision.intent,
        labels.CREDENTIALS_FROM: revision.credentials,
        labels.SOURCE_DIGEST: revision.digest,
        labels.REJECTED: rejections.dump(revision.rejection) if revision.rejection else None,
        labels.EGRESS_CIDRS: revision.egress if revision.intent == labels.WANTED else None,
    }
    given |= {key: word for key, word in words.items() if word}
    return {"annotations": given} if given else {}


def _owner(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": ModelDeployment.KIND,
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": False,
    }
