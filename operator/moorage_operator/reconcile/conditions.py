"""Conditions of a status: building them so that times move only when a verdict does.

Separate because Tenant and ModelDeployment share the rule: ``lastTransitionTime`` is kept while ``status`` is the same;
reason and message may change beneath it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from moorage_crds import conditions as words
from moorage_operator.reconcile import times

Truth = Literal["True", "False", "Unknown"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said of one condition type now."""

    type: str
    status: Truth
    reason: str
    """One of ``moorage_crds.conditions.REASONS``."""
    message: str = ""


def is_true(verdict: Verdict) -> bool:
    """Return whether the verdict's condition holds."""
    return verdict.status == "True"


def truth(holds: bool) -> Truth:
    """Return a condition's status for a plain yes or no."""
    return "True" if holds else "False"


def summary(ready: Verdict, *, stalled: bool) -> tuple[Verdict, ...]:
    """Return Ready with Reconciling and Stalled as kstatus reads them: at most one of the three is True."""
    is_reconciling = not is_true(ready) and not stalled
    return (
        ready,
        Verdict(words.RECONCILING, truth(is_reconciling), ready.reason, ready.message if is_reconciling else ""),
        Verdict(words.STALLED, truth(stalled), ready.reason, ready.message if stalled else ""),
    )


def build(
    verdicts: Iterable[Verdict], observed: Iterable[Mapping[str, Any]], generation: int | None, now: datetime
) -> list[dict[str, Any]]:
    """Return conditions for a status, times taken over from ``observed`` where the status is the same."""
    before = {condition["type"]: condition for condition in observed}
    return [_condition(verdict, before.get(verdict.type), generation, now) for verdict in verdicts]


def _condition(
    verdict: Verdict, before: Mapping[str, Any] | None, generation: int | None, now: datetime
) -> dict[str, Any]:
    is_same = before is not None and before["status"] == verdict.status
    condition = {
        "type": verdict.type,
        "status": verdict.status,
        "reason": verdict.reason,
        "message": verdict.message,
        "lastTransitionTime": before["lastTransitionTime"] if before and is_same else times.as_seconds(now),
    }
    return condition | ({"observedGeneration": generation} if generation is not None else {})
