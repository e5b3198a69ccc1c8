"""A live Tenant whose namespace is absent or its own: children, models and status in one pass.

Separate from ``plan``, which tells this situation from all others.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

from pydantic import ValidationError

from moorage_crds import conditions as words
from moorage_crds import labels
from moorage_crds.errors import InvalidInputError
from moorage_crds.tenant import ExternalStore, TenantSpec, parse_spec
from moorage_operator.reconcile import (
    admission,
    children,
    claims,
    credentials,
    identity,
    models,
    scaling,
    statuses,
    storeusers,
    tenant_status,
)
from moorage_operator.reconcile.actions import Action, AddFinalizer
from moorage_operator.reconcile.conditions import Verdict
from moorage_operator.reconcile.desired import desired
from moorage_operator.reconcile.models import ModelPlan
from moorage_operator.reconcile.tenant_status import Facts
from moorage_operator.reconcile.world import Manifest, Settings, World


def reconcile(
    world: World,
    tenant: Manifest,
    settings: Settings,
    now: datetime,
    *,
    failure: str | None,
    make_key: Callable[[], str],
) -> tuple[Action, ...]:
    """Return all writes of the pass, or with ``failure`` the Tenant's status alone."""
    try:
        spec = parse_spec(dict(tenant))
        refusal = None if spec.suspend else admission.refusal(spec, settings.tenants)
        wanted = desired(world, spec, settings)
        secret = credentials.writes(world, wanted, now, make_key, may_roll=refusal is None)
        writes = children.writes(world, wanted, secret, holds=refusal is not None)
    except ValidationError as error:
        return _refuse(tenant, statuses.first_problem(error), now)
    except InvalidInputError as error:
        return _refuse(tenant, str(error), now)
    plans = _plan_models(world, spec, now)
    status = tenant_status.status(world, _facts(world, spec, writes, plans, refusal=refusal, failure=failure), now)
    if failure is not None:
        return statuses.write(tenant, status)
    finalizer = _finalizer(tenant)
    return (
        *finalizer,
        *writes,
        *(action for plan in plans for action in plan.writes),
        *(action for plan in plans for action in plan.statuses),
        # Last, as storage that cannot grow must not keep anything else from being written.
        *(claims.growth(world, spec.vector_store) if refusal is None and not spec.vector_store.external else ()),
        *statuses.write(tenant, status, is_written_before=bool(finalizer)),
        # After all, as a store that does not answer must not keep anything else from being written.
        *(() if secret else storeusers.step(world, wanted, now)),
    )


def live_models(world: World) -> tuple[Manifest, ...]:
    """Return the models that are not being deleted; the others are the garbage collector's."""
    return tuple(model for model in world.models if not identity.is_being_deleted(model))


def _refuse(tenant: Manifest, message: str, now: datetime) -> tuple[Action, ...]:
    verdict = Verdict(words.READY, "False", "InvalidSpec", message)
    return statuses.write(tenant, statuses.carried(tenant, verdict, stalled=True, now=now))


def _finalizer(tenant: Manifest) -> tuple[AddFinalizer, ...]:
    metadata = tenant["metadata"]
    if labels.FINALIZER in (metadata.get("finalizers") or ()):
        return ()
    return (AddFinalizer(metadata["name"], metadata["uid"], metadata["resourceVersion"]),)


def _plan_models(world: World, spec: TenantSpec, now: datetime) -> tuple[ModelPlan, ...]:
    """Return the models' plans; without a namespace there are none, whatever a cache still holds."""
    if world.namespace is None:
        return ()
    allows_python = spec.inference.python_backend == "Enabled"
    surplus = _surplus(world, spec)
    return tuple(
        models.plan(
            world,
            model,
            allows_python=allows_python,
            is_suspended=spec.suspend,
            is_surplus=model["metadata"]["name"] in surplus,
            now=now,
        )
        for model in live_models(world)
    )


def _surplus(world: World, spec: TenantSpec) -> frozenset[str]:
    """Return the names of the models beyond the quota, the youngest first to be so."""
    found = [model["metadata"] for model in live_models(world)]
    by_age = sorted(found, key=lambda metadata: (metadata.get("creationTimestamp", ""), metadata["name"]))
    return frozenset(metadata["name"] for metadata in by_age[spec.quota.models :])


def _facts(
    world: World,
    spec: TenantSpec,
    writes: tuple[Action, ...],
    plans: tuple[ModelPlan, ...],
    *,
    refusal: Verdict | None,
    failure: str | None,
) -> Facts:
    return Facts(
        tenant_id=identity.tenant_id(world) or identity.first_tenant_id(world.tenant or {}),
        replicas=scaling.least_pods(spec),
        is_suspended=spec.suspend,
        has_vector_store=spec.vector_store.backend != "None",
        external_store=_host(spec.vector_store.external),
        is_isolated=failure is None or not children.are_fence(writes),
        is_changing=children.are_workloads(writes),
        is_waiting=children.is_waiting(writes),
        models={
            "total": len(plans),
            "ready": sum(plan.is_ready for plan in plans),
            "failed": sum(plan.is_failed for plan in plans),
        },
        makes_credentials=failure is None and credentials.are_made(writes),
        refusal=refusal,
        failure=failure,
    )


def _host(store: ExternalStore | None) -> str | None:
    """Return where an external store is, with its port if the spec names one; None without such a store."""
    return urlsplit(store.endpoint).netloc if store else None
