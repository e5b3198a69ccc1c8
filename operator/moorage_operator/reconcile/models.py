"""One model's pass: from its spec and its replicas' reports to revisions, traffic and status.

Separate from ``revisions``, which knows how revisions follow each other, from ``rollouts``, which decides when, and
from ``model_status``, which words it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from moorage_crds import conditions as words
from moorage_crds import labels
from moorage_crds.modeldeployment import ModelDeploymentSpec, parse_spec
from moorage_crds.revision import hash8, snapshot
from moorage_operator.reconcile import (
    dependencies,
    identity,
    model_status,
    owned,
    replicas,
    revisions,
    rollouts,
    sources,
    statuses,
)
from moorage_operator.reconcile.actions import Action, Apply, ApplyStatus, Delete
from moorage_operator.reconcile.canary import Judgement
from moorage_operator.reconcile.conditions import Verdict
from moorage_operator.reconcile.model_status import Refusal, Standing
from moorage_operator.reconcile.revisions import Revision, Rollout, Terms
from moorage_operator.reconcile.world import Manifest, World

_PYTHON: Final = "python"
_DISABLED: Final = "the Tenant's spec.inference.pythonBackend is Disabled; set it to Enabled or use another."


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """What one pass does for a model."""

    writes: tuple[Action, ...]
    """ControllerRevisions, before any status."""
    statuses: tuple[Action, ...]
    is_ready: bool
    is_failed: bool
    """Whether only a person can help."""


def plan(
    world: World, model: Manifest, *, allows_python: bool, is_suspended: bool, is_surplus: bool, now: datetime
) -> ModelPlan:
    """Return the plan of a live model in its tenant's own namespace; a surplus one is beyond the tenant's quota."""
    if identity.is_paused(model):
        return _paused(model, now)
    ready = replicas.ready_pods(world)
    observed = revisions.observe(model, _revisions_of(world, model))
    rollout, refusal = _roll(world, model, observed, ready, allows_python=allows_python, is_surplus=is_surplus, now=now)
    standing = Standing(
        rollout,
        refusal,
        _reports(model, rollout.target, ready),
        _reports(model, rollout.stable, ready),
        is_suspended=is_suspended,
        is_pinned=_is_pinned(model),
        trial=_trial(world, model, rollout, now),
    )
    status = model_status.status(model, world.tenant_name, standing, now)
    return ModelPlan(
        writes=(*_obstacles(world, model, rollout), *_writes(world, model, rollout)),
        statuses=_statuses(world, model, status, now),
        is_ready=model_status.transition(standing) == "UpToDate",
        is_failed=model_status.is_stalled(standing),
    )


def _trial(world: World, model: Manifest, rollout: Rollout, now: datetime) -> Judgement | None:
    """Return what the figures say of a revision that is on trial after this pass."""
    if rollout.target is None or not model_status.is_canary(rollout):
        return None
    spec, _ = _parse(model)
    return rollouts.trial(world, model, spec.rollout, rollout.target, now) if spec else None


def _is_pinned(model: Manifest) -> bool:
    return bool((model["spec"].get("rollout") or {}).get("pin"))


def _paused(model: Manifest, now: datetime) -> ModelPlan:
    status = statuses.paused(model, now)
    verdicts = {item["type"]: item["status"] for item in status["conditions"]}
    return ModelPlan((), statuses.write(model, status), verdicts[words.READY] == "True", is_failed=False)


def _revisions_of(world: World, model: Manifest) -> tuple[Manifest, ...]:
    name = model["metadata"]["name"]
    return tuple(item for item in world.revisions if item["metadata"]["labels"].get(labels.MODEL) == name)


def _reports(model: Manifest, revision: Revision | None, ready: frozenset[str]) -> tuple[replicas.Report, ...]:
    return replicas.reports(model, revision.hash, ready) if revision else ()


def _roll(
    world: World,
    model: Manifest,
    observed: tuple[Revision, ...],
    ready: frozenset[str],
    *,
    allows_python: bool,
    is_surplus: bool,
    now: datetime,
) -> tuple[Rollout, Refusal | None]:
    """Return the revisions as they shall be and, when the spec asks for none, why."""
    forbidden = frozenset(
        revision.hash for revision in observed if not allows_python and dependencies.is_code(world, revision.data)
    )
    spec, refusal = _parse(model)
    terms = replace(_terms(model, spec, forbidden, ready), needed=dependencies.needed(world, model["metadata"]["name"]))
    if spec is None:
        return revisions.plan(observed, None, replace(terms, history_limit=len(observed)), now), refusal
    called = dependencies.resolve(world, model, spec, allows_python=allows_python)
    data = snapshot(_tenant_id(world), model["metadata"]["name"], spec, called)
    refusal = _refuse(spec, observed, data, forbidden, allows_python=allows_python, is_surplus=is_surplus)
    if refusal is None and not spec.rollout.pin:
        refusal = dependencies.refuse(world, model, spec, called)
    if refusal:
        return revisions.plan(observed, None, terms, now), refusal
    known, target = _target(world, model, spec, observed, data)
    reports = replicas.reports(model, target.hash, ready)
    figures = rollouts.trial(world, model, spec.rollout, target, now)
    wanted = rollouts.wish(model, spec.rollout, target, figures)
    known = rollouts.advance(known, target, reports, terms, wanted=wanted, now=now)
    return revisions.plan(known, revisions.find(known, target.hash), terms, now), None


def _target(
    world: World,
    model: Manifest,
    spec: ModelDeploymentSpec,
    observed: tuple[Revision, ...],
    data: Mapping[str, Any],
) -> tuple[tuple[Revision, ...], Revision]:
    """Return the revisions and which of them shall serve: the pinned one, or else the spec's, made if need be."""
    pin = spec.rollout.pin
    if pin and pin != hash8(data):
        known = sources.told_of_pinned(observed, pin, model, world)
        return known, next(revision for revision in known if revision.hash == pin)
    known = sources.told(revisions.with_target(observed, data), spec, model, world)
    return known, known[-1]


def _terms(
    model: Manifest, spec: ModelDeploymentSpec | None, forbidden: frozenset[str], ready: frozenset[str]
) -> Terms:
    canary = spec.rollout.canary if spec else None
    return Terms(
        history_limit=spec.revision_history_limit if spec else 0,
        weight=canary.weight if canary else None,
        recreates=spec is not None and spec.rollout.strategy == "Recreate",
        forbidden=forbidden,
        served=_served(model),
        held=replicas.held(model, ready),
    )


def _served(model: Manifest) -> frozenset[str]:
    shares = (model.get("status") or {}).get("traffic") or ()
    return frozenset(share["revision"] for share in shares)


def _tenant_id(world: World) -> str:
    known = identity.tenant_id(world)
    if known is None:
        raise ValueError(f"expected a tenantID on namespace {world.namespace_name}, got none")
    return known


def _parse(model: Manifest) -> tuple[ModelDeploymentSpec | None, Refusal | None]:
    try:
        return parse_spec(dict(model)), None
    except ValidationError as error:
        return None, Refusal("InvalidSpec", statuses.first_problem(error))


def _refuse(
    spec: ModelDeploymentSpec,
    observed: tuple[Revision, ...],
    data: Mapping[str, Any],
    forbidden: frozenset[str],
    *,
    allows_python: bool,
    is_surplus: bool,
) -> Refusal | None:
    if is_surplus:
        return Refusal("QuotaExceeded", "The Tenant's spec.quota.models has no room: older models take all of it.")
    pin = spec.rollout.pin
    if pin and pin != hash8(data):
        return _refuse_pin(pin, observed, forbidden)
    if spec.backend == _PYTHON and not allows_python:
        return Refusal("PythonBackendDisabled", f"spec.backend: {_DISABLED}")
    if revisions.collides(observed, data):
        return Refusal("HashCollision", f"Another snapshot has the hash {hash8(data)}; change anything in spec.config.")
    return None


def _refuse_pin(pin: str, observed: tuple[Revision, ...], forbidden: frozenset[str]) -> Refusal | None:
    if revisions.find(observed, pin) is None:
        kept = ", ".join(revision.hash for revision in observed) or "none"
        return Refusal("RevisionNotFound", f"spec.rollout.pin: there is no revision {pin}; kept are: {kept}.")
    return Refusal("PythonBackendDisabled", f"spec.rollout.pin: {_DISABLED}") if pin in forbidden else None


def _obstacles(world: World, model: Manifest, rollout: Rollout) -> tuple[Action, ...]:
    """Return deletions of revisions that a deleted model left under names that are needed now.

    The garbage collector takes them too, but later; meanwhile they would count as this model's own.
    """
    needed = {f"{model['metadata']['name']}-{revision.hash}" for revision in rollout.revisions}
    left = (item for item in _revisions_of(world, model) if not revisions.is_owned(item, model))
    return tuple(_delete(item) for item in left if item["metadata"]["name"] in needed)


def _writes(world: World, model: Manifest, rollout: Rollout) -> tuple[Action, ...]:
    """Return the revisions to write: what is needed first, so that a failure in between unloads nothing."""
    order = sorted(rollout.revisions, key=lambda revision: revision.intent != labels.WANTED)
    applied = tuple(action for revision in order for action in _apply(revision, model, world.tenant_name))
    return (*applied, *(_delete(item) for item in rollout.expired))


def _apply(revision: Revision, model: Manifest, tenant: str) -> tuple[Apply, ...]:
    wanted = revisions.manifest(revision, model, tenant)
    if revision.observed is None:
        return (Apply(wanted, None),)
    if owned.is_current(wanted, revision.observed):
        return ()
    return (Apply(wanted, revision.observed["metadata"]["resourceVersion"]),)


def _delete(item: Manifest) -> Delete:
    metadata = item["metadata"]
    return Delete(revisions.KIND, metadata["namespace"], metadata["name"], metadata["uid"], revisions.API)


def _statuses(world: World, model: Manifest, status: Mapping[str, Any], now: datetime) -> tuple[Action, ...]:
    removal = replicas.removal(world, model, now)
    if removal:
        return (removal, *statuses.write(model, status, is_written_before=True))
    return statuses.write(model, status)


def orphan(model: Manifest, now: datetime) -> tuple[ApplyStatus, ...]:
    """Return the status of a model whose namespace has no Tenant: it waits, whatever else it is."""
    message = f"There is no Tenant for namespace {model['metadata']['namespace']}."
    verdict = Verdict(words.READY, "False", "TenantNotFound", message)
    return statuses.write(model, statuses.carried(model, verdict, stalled=False, now=now))
