"""The status of a ModelDeployment, derived from its revisions and what replicas report.

Separate from ``models``, which decides; this says what was decided, in kstatus' words and in KServe's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from moorage_crds import conditions as words
from moorage_crds import names
from moorage_operator.reconcile import conditions, times
from moorage_operator.reconcile.canary import Judgement
from moorage_operator.reconcile.conditions import Verdict
from moorage_operator.reconcile.rejections import Rejection
from moorage_operator.reconcile.replicas import FAILED_STATES, Report
from moorage_operator.reconcile.revisions import Revision, Rollout
from moorage_operator.reconcile.shares import Share
from moorage_operator.reconcile.world import Manifest

Transition = Literal["UpToDate", "InProgress", "BlockedByFailedLoad", "InvalidSpec"]
State = Literal["Pending", "Loading", "Loaded", "FailedToLoad"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no revision can be made of a spec."""

    reason: str
    message: str
    is_waiting: bool = False
    """Whether it passes by itself, once another model is there."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a model stands after this pass."""

    rollout: Rollout
    refusal: Refusal | None
    target: tuple[Report, ...]
    """What ready pods say of the wanted revision."""
    stable: tuple[Report, ...]
    """What ready pods say of the serving revision."""
    is_suspended: bool = False
    """Whether no pod is asked for now."""
    is_pinned: bool = False
    """The wanted revision is the one that ``spec.rollout.pin`` names."""

    trial: Judgement | None = None
    """What the figures of a revision on trial say, None where they do not decide."""

    @property
    def rejection(self) -> Rejection | None:
        """Return why the wanted revision shall not serve."""
        return self.rollout.target.rejection if self.rollout.target else None


def is_loaded_everywhere(reports: Iterable[Report]) -> bool:
    """Return whether there is a ready pod and all of them hold the revision."""
    states = {report.state for report in reports}
    return states == {"Loaded"}


def failures(reports: Iterable[Report]) -> list[Report]:
    """Return the reports of failure."""
    return [report for report in reports if report.state in FAILED_STATES]


def transition(standing: Standing) -> Transition:
    """Return where the change to the wanted revision stands."""
    if standing.refusal:
        return "InProgress" if standing.refusal.is_waiting else "InvalidSpec"
    if standing.rejection or failures(standing.target):
        return "BlockedByFailedLoad"
    return "UpToDate" if is_loaded_everywhere(standing.target) and not standing.trial else "InProgress"


def ready(standing: Standing) -> Verdict:
    """Return the Ready condition."""
    stop = standing.refusal or standing.rejection
    if stop:
        return Verdict(words.READY, "False", stop.reason, stop.message)
    failed = failures(standing.target)
    if failed:
        return Verdict(words.READY, "False", failed[0].reason, f"{failed[0].pod}: {failed[0].message}")
    if standing.rollout.is_replacing:
        return Verdict(words.READY, "False", "Replacing", words.REASONS["Replacing"])
    if not standing.target:
        reason = "Suspended" if standing.is_suspended else "NoReadyReplicas"
        return Verdict(words.READY, "False", reason, words.REASONS[reason])
    if is_loaded_everywhere(standing.target):
        return _loaded(standing)
    loaded = sum(report.state == "Loaded" for report in standing.target)
    return Verdict(words.READY, "False", "Loading", f"{loaded} of {len(standing.target)} ready replicas hold it.")


def _loaded(standing: Standing) -> Verdict:
    if standing.is_pinned:
        return Verdict(words.READY, "True", "Pinned", words.REASONS["Pinned"])
    if standing.trial:
        return Verdict(words.READY, "False", "CanaryWaiting", standing.trial.message)
    reason = "CanaryServing" if is_canary(standing.rollout) else "Loaded"
    return Verdict(words.READY, "True", reason, words.REASONS[reason])


def is_canary(rollout: Rollout) -> bool:
    """Return whether two revisions share the traffic."""
    return len(rollout.traffic) > 1


def is_stalled(standing: Standing) -> bool:
    """Return whether only a person can help: the spec is refused, or a replica failed with it."""
    return transition(standing) in {"InvalidSpec", "BlockedByFailedLoad"}


def status(model: Manifest, tenant: str, standing: Standing, now: datetime) -> dict[str, Any]:
    """Return what the operator says of a model; ``replicas`` belongs to the agents and is left out."""
    observed = model.get("status") or {}
    generation: int = model["metadata"]["generation"]
    rollout = standing.rollout
    verdicts = conditions.summary(ready(standing), stalled=is_stalled(standing))
    return {
        "observedGeneration": generation,
        "conditions": conditions.build(verdicts, observed.get("conditions") or (), generation, now),
        "url": f"/api/v1/tenants/{tenant}/v2/models/{model['metadata']['name']}",
        "modelStatus": _model_status(standing),
    } | _routing(model["metadata"]["name"], rollout)


def _routing(model: str, rollout: Rollout) -> dict[str, Any]:
    """Return the serving and the next revision, what each gets and what is kept, each only when there is one."""
    routing: dict[str, Any] = {}
    stable, target = rollout.stable, rollout.target
    if stable:
        routing["stableRevision"] = stable.hash
    if rollout.previous:
        routing["previousRevision"] = rollout.previous.hash
    if target and target.rejection is None and (stable is None or target.hash != stable.hash):
        routing["candidateRevision"] = target.hash
    if rollout.traffic:
        routing["traffic"] = [_target(model, share) for share in rollout.traffic]
    if rollout.revisions:
        routing["revisions"] = [_kept(revision) for revision in reversed(rollout.revisions)]
    return routing


def _kept(revision: Revision) -> dict[str, Any]:
    kept: dict[str, Any] = {"name": revision.hash, "number": revision.number}
    if revision.promoted_at:
        kept["promotedAt"] = times.as_seconds(revision.promoted_at)
    if revision.rejection:
        kept["rejected"] = revision.rejection.reason
    return kept


def _target(model: str, share: Share) -> dict[str, Any]:
    return {
        "revision": share.revision,
        "tritonName": names.triton_name(model, share.revision),
        "weight": share.weight,
    }


def _model_status(standing: Standing) -> dict[str, Any]:
    failed = failures(standing.target)
    block: dict[str, Any] = {
        "transitionStatus": transition(standing),
        "states": _states(standing),
        "copies": {
            "failedCopies": len(failed),
            "totalCopies": sum(report.state == "Loaded" for report in standing.target),
        },
    }
    failure = _failure_info(standing)
    return block | ({"lastFailureInfo": failure} if failure else {})


def _failure_info(standing: Standing) -> Mapping[str, str] | None:
    target, failed = standing.rollout.target, failures(standing.target)
    if target and standing.rejection:
        why = {"reason": standing.rejection.reason, "message": standing.rejection.message}
        return why | {"modelRevisionName": target.hash}
    if target and failed:
        why = {"reason": failed[0].reason, "message": failed[0].message}
        return why | {"modelRevisionName": target.hash, "location": failed[0].pod}
    return None


def _states(standing: Standing) -> dict[str, State]:
    target: State = _refused(standing.refusal) if standing.refusal else _state(standing.target)
    states: dict[str, State] = {"targetModelState": target}
    if standing.rollout.stable:
        serves = any(report.state == "Loaded" for report in standing.stable)
        states["activeModelState"] = "Loaded" if serves else _state(standing.stable)
    return states


def _refused(refusal: Refusal) -> State:
    return "Pending" if refusal.is_waiting else "FailedToLoad"


def _state(reports: tuple[Report, ...]) -> State:
    if failures(reports):
        return "FailedToLoad"
    if is_loaded_everywhere(reports):
        return "Loaded"
    return "Loading" if any(report.state != "Pending" for report in reports) else "Pending"
