"""The next step of a rollout: what becomes of the revision that shall serve next.

Separate from ``revisions``, which knows how revisions follow each other, because here it is decided when they do.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from moorage_crds.rollout import Rollout as RolloutSpec
from moorage_operator.reconcile import rejections, revisions
from moorage_operator.reconcile.model_status import is_loaded_everywhere
from moorage_operator.reconcile.rejections import Rejection
from moorage_operator.reconcile.replicas import Report
from moorage_operator.reconcile.revisions import Revision, Terms
from moorage_operator.reconcile.world import Manifest

_ABORTED: Final = "It was rejected by spec.rollout.decision."


@dataclass(frozen=True, slots=True)
class Wish:
    """What people want of the revision that shall serve next."""

    decision: Literal["Promote", "Abort"] | None
    """What they decided about it; None leaves it to the rollout."""
    retry: str
    """Which retry they asked for, see ``rejections.retry_of``."""


def wish(model: Manifest, rollout: RolloutSpec, target: Revision) -> Wish:
    """Return what people want of the target; to pin a revision is to decide for it."""
    retry = rejections.retry_of(model)
    if rollout.pin == target.hash:
        return Wish("Promote", retry)
    decided = rollout.decision
    return Wish(decided.action if decided and decided.revision == target.hash else None, retry)


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
    if stable is None or terms.weight is None or wanted.decision == "Promote":
        return revisions.promote(known, judged, now)
    return revisions.start_canary(known, judged, now)


def _rejection(target: Revision, wanted: Wish, now: datetime) -> Rejection | None:
    """Return the verdict against the target: a decision counts before everything else, a new retry lifts a verdict."""
    if wanted.decision == "Promote":
        return None
    if wanted.decision == "Abort":
        return target.rejection or Rejection(rejections.ABORTED, _ABORTED, now, wanted.retry)
    if target.rejection and target.rejection.retry != wanted.retry:
        return None
    return target.rejection
