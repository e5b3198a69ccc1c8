"""The next step of a rollout: what becomes of the revision that shall serve next.

Separate from ``revisions``, which knows how revisions follow each other, because here it is decided when they do.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from moorage_crds.rollout import Rollout as RolloutSpec
from moorage_operator.reconcile import identity, rejections, revisions
from moorage_operator.reconcile.canary import Judgement, judge
from moorage_operator.reconcile.model_status import is_loaded_everywhere
from moorage_operator.reconcile.rejections import Rejection
from moorage_operator.reconcile.replicas import Report
from moorage_operator.reconcile.revisions import Revision, Terms
from moorage_operator.reconcile.world import Manifest, World

_ABORTED: Final = "It was rejected by spec.rollout.decision."


@dataclass(frozen=True, slots=True)
class Wish:
    """What people and figures want of the revision that shall serve next."""

    decision: Literal["Promote", "Abort"] | None
    """What they decided about it; None leaves it to the rollout."""
    retry: str
    """Which retry they asked for, see ``rejections.retry_of``."""
    trial: Judgement | None = None
    """What its figures say, None where they do not decide."""


@dataclass(frozen=True, slots=True)
class Canary:
    """A revision whose figures decide, and since when they count."""

    model: str
    revision: str
    since: datetime


def canaries(world: World) -> tuple[Canary, ...]:
    """Return the revisions whose figures are needed; of most tenants there are none."""
    return tuple(
        Canary(model["metadata"]["name"], revision.hash, revision.canary_since)
        for model in world.models
        if _is_judged(model)
        for revision in revisions.observe(model, world.revisions)
        if revision.canary_since
    )


def _is_judged(model: Manifest) -> bool:
    rollout = (model.get("spec") or {}).get("rollout") or {}
    return rollout.get("autoPromote") is not None and not identity.is_paused(model)


def trial(world: World, model: Manifest, rollout: RolloutSpec, target: Revision, now: datetime) -> Judgement | None:
    """Return what the figures of a target in the traffic say, None where they do not decide or there are none yet."""
    if rollout.auto_promote is None or target.canary_since is None:
        return None
    tally = world.canaries.get((model["metadata"]["name"], target.hash))
    return judge(rollout.auto_promote, target.canary_since, tally, now)


def wish(model: Manifest, rollout: RolloutSpec, target: Revision, figures: Judgement | None) -> Wish:
    """Return what people and figures want of the target; to pin a revision is to decide for it."""
    retry = rejections.retry_of(model)
    if rollout.pin == target.hash:
        return Wish("Promote", retry)
    decided = rollout.decision
    return Wish(decided.action if decided and decided.revision == target.hash else None, retry, figures)


def advance(
    known: tuple[Revision, ...],
    target: Revision,
    reports: tuple[Report, ...],
    terms: Terms,
    *,
    wanted: Wish,
    now: datetime,
) -> tuple[Revision, ...]:
    """Return the revisions with the target's next step taken: rejection, another try, its canary's start, promotion.

    ``reports`` are the ready pods' about the target. One that is not loaded on all of them gets no traffic yet.
    """
    stable = revisions.stable_of(revision for revision in known if revision.hash not in terms.forbidden)
    if stable is not None and stable.hash == target.hash:
        return known
    rejection = _rejection(target, wanted, now)
    known = revisions.judge(known, target, rejection)
    if rejection or not is_loaded_everywhere(reports):
        return known
    judged = revisions.find(known, target.hash) or target
    is_proven = wanted.trial is not None and wanted.trial.action == "Promote"
    if stable is None or terms.weight is None or is_proven or wanted.decision == "Promote":
        return revisions.promote(known, judged, now)
    return revisions.start_canary(known, judged, now)


def _rejection(target: Revision, wanted: Wish, now: datetime) -> Rejection | None:
    """Return the verdict against the target: a decision counts before everything else, a new retry lifts a verdict."""
    if wanted.decision == "Promote":
        return None
    if wanted.decision == "Abort":
        return target.rejection or Rejection(rejections.ABORTED, _ABORTED, now, wanted.retry)
    if target.rejection:
        return target.rejection if target.rejection.retry == wanted.retry else None
    if wanted.trial and wanted.trial.action == "Reject":
        return Rejection(rejections.CANARY_FAILED, wanted.trial.message, now, wanted.retry)
    return None
