"""What statuses of both resources have in common: carrying one over, and writing it only when it says something new."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from moorage_crds import conditions as words
from moorage_operator.reconcile import conditions, owned
from moorage_operator.reconcile.actions import ApplyStatus
from moorage_operator.reconcile.conditions import Truth, Verdict
from moorage_operator.reconcile.world import Manifest

_NOT_CARRIED: Final = frozenset({"conditions", "replicas"})
"""Built anew, and written by the agents."""


def write(manifest: Manifest, status: Mapping[str, Any], *, is_written_before: bool = False) -> tuple[ApplyStatus, ...]:
    """Return the write of a status, nothing when it is there already.

    Conditions keep their times while they say the same, so times alone never cause a write.
    """
    if owned.is_current({"status": status}, manifest, "status"):
        return ()
    metadata = manifest["metadata"]
    version = None if is_written_before else metadata["resourceVersion"]
    return (ApplyStatus(manifest["kind"], metadata.get("namespace"), metadata["name"], status, version),)


def carried(
    manifest: Manifest, ready: Verdict, *, stalled: bool, now: datetime, parts: tuple[Verdict, ...] = ()
) -> dict[str, Any]:
    """Return the observed status with new verdicts: what was known of the object stays known."""
    verdicts = (*conditions.summary(ready, stalled=stalled), *parts)
    return _carry(manifest, verdicts, manifest["metadata"].get("generation"), now)


def paused(manifest: Manifest, now: datetime) -> dict[str, Any]:
    """Return the observed status marked as paused; Ready keeps its value, nobody looks any more."""
    status = manifest.get("status") or {}
    ready = (item["status"] for item in status.get("conditions") or () if item["type"] == words.READY)
    before: Truth = next(ready, "Unknown")
    return _carry(manifest, _paused_verdicts(before), status.get("observedGeneration"), now)


def _paused_verdicts(ready: Truth) -> tuple[Verdict, ...]:
    message = words.REASONS["Paused"]
    return (
        Verdict(words.READY, ready, "Paused", message),
        Verdict(words.RECONCILING, "False", "Paused"),
        Verdict(words.STALLED, conditions.truth(ready != "True"), "Paused"),
    )


def _carry(manifest: Manifest, verdicts: tuple[Verdict, ...], generation: int | None, now: datetime) -> dict[str, Any]:
    observed = manifest.get("status") or {}
    before = observed.get("conditions") or []
    said = {verdict.type for verdict in verdicts}
    kept = [condition for condition in before if condition["type"] not in said]
    status = {key: value for key, value in observed.items() if key not in _NOT_CARRIED}
    status["conditions"] = [*conditions.build(verdicts, before, generation, now), *kept]
    return status | ({"observedGeneration": generation} if generation is not None else {})


def first_problem(error: ValidationError) -> str:
    """Return field and expectation of the first problem; never the value, which may be a tenant's own."""
    problem = error.errors(include_input=False, include_url=False)[0]
    return f"spec.{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
