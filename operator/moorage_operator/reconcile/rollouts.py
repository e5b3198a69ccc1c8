"""The next step of a rollout: what becomes of the revision that shall serve next.

Separate from ``revisions``, which knows how revisions follow each other, because here it is decided when they do.
"""

from __future__ import annotations

from datetime import datetime

from moorage_operator.reconcile import revisions
from moorage_operator.reconcile.model_status import is_loaded_everywhere
from moorage_operator.reconcile.replicas import Report
from moorage_operator.reconcile.revisions import Revision, Terms


def advance(
    known: tuple[Revision, ...], target: Revision, reports: tuple[Report, ...], terms: Terms, now: datetime
) -> tuple[Revision, ...]:
    """Return the revisions with the target's next step taken: none, its canary's start, or its promotion.

    ``reports`` are the ready pods' about the target. Nothing happens to one that is not loaded on all of them.
    """
    stable = revisions.stable_of(revision for revision in known if revision.hash not in terms.forbidden)
    is_stable = stable is not None and stable.hash == target.hash
    if is_stable or not is_loaded_everywhere(reports):
        return known
    if stable is None or terms.weight is None:
        return revisions.promote(known, target, now)
    return revisions.start_canary(known, target, now)
