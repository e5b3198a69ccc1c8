"""The whole reconciliation of one tenant: which of its situations it is in, and what that calls for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from moorage_crds import conditions as words
from moorage_crds import labels
from moorage_operator.reconcile import (
    credentials,
    deletion,
    identity,
    live,
    models,
    replicas,
    revisions,
    statuses,
    storeusers,
)
from moorage_operator.reconcile.actions import Action
from moorage_operator.reconcile.conditions import Verdict
from moorage_operator.reconcile.credentials import new_key
from moorage_operator.reconcile.world import Manifest, Settings, World


def reconcile_tenant(
    world: World,
    settings: Settings,
    now: datetime,
    failure: str | None = None,
    make_key: Callable[[], str] = new_key,
) -> tuple[Action, ...]:
    """Return the writes that bring the tenant to its desired state, in order, statuses last.

    ``now`` carries a time zone. With ``failure``, the message of a write that failed, the Tenant's status alone.
    ``make_key`` makes a fresh credential each time it is called.
    """
    tenant = world.tenant
    if tenant is None:
        return reconcile_orphan_models(world, now)
    if identity.is_paused(tenant):
        return statuses.write(tenant, statuses.paused(tenant, now))
    if failure is not None and (identity.is_being_deleted(tenant) or not _may_be_touched(world)):
        verdict = Verdict(words.READY, "False", "WriteFailed", failure)
        return statuses.write(tenant, statuses.carried(tenant, verdict, stalled=False, now=now))
    if identity.is_being_deleted(tenant):
        return deletion.steps(world, tenant, settings, now)
    if not _may_be_touched(world):
        return _wait_for_namespace(world, tenant, now)
    return live.reconcile(world, tenant, settings, now, failure=failure, make_key=make_key)


def reconcile_orphan_models(world: World, now: datetime) -> tuple[Action, ...]:
    """Return the status writes of models whose namespace has no Tenant; nothing else of them is touched.

    Nothing is said in a namespace without our label: the admission policy keeps the operator out of it.
    """
    if world.namespace is None or identity.is_being_deleted(world.namespace) or not identity.is_labelled(world):
        return ()
    return tuple(action for model in live.live_models(world) for action in models.orphan(model, now))


def requeue_after(world: World, now: datetime) -> float | None:
    """Return in how many seconds time alone changes a decision, None when only an event can.

    Time ends a drain, makes the entry of a vanished pod removable and ages credentials; all are read from the world as
    observed, so ask with the world that the pass's own writes have come back to.
    """
    moments = [moment for model in live.live_models(world) for moment in _deadlines(world, model)]
    moments += filter(None, (credentials.deadline(world), storeusers.drains_until(world)))
    later = [(moment - now).total_seconds() for moment in moments if moment > now]
    return min(later, default=None)


def _deadlines(world: World, model: Manifest) -> Iterator[datetime]:
    yield from replicas.removals_due(world, model)
    for revision in revisions.observe(model, world.revisions):
        until = revisions.drains_until(revision)
        if until is not None:
            yield until


def _may_be_touched(world: World) -> bool:
    """Return whether the namespace is absent, or the tenant's own and alive."""
    if world.namespace is None:
        return True
    return identity.is_own_namespace(world) and not identity.is_being_deleted(world.namespace)


def _wait_for_namespace(world: World, tenant: Manifest, now: datetime) -> tuple[Action, ...]:
    """Return the status of a Tenant whose namespace is dying or somebody else's; nothing in it is touched."""
    if world.namespace is not None and identity.is_being_deleted(world.namespace):
        reason, stalled = "NamespaceTerminating", False
        message = f"Namespace {world.namespace_name} is being deleted; it is waited for."
    else:
        reason, stalled = "NamespaceForeign", True
        message = _foreign(world)
    parts = (Verdict(words.ISOLATION_READY, "False", reason, message),)
    ready = Verdict(words.READY, "False", reason, message)
    return statuses.write(tenant, statuses.carried(tenant, ready, stalled=stalled, now=now, parts=parts))


def _foreign(world: World) -> str:
    """Return what can be done about a namespace of somebody else; only one that a tenant has left can be adopted."""
    what = f"Namespace {world.namespace_name} exists and is not this tenant's"
    left_by = identity.tenant_id(world) if identity.is_labelled(world) else None
    if left_by is None:
        return f"{what}; delete it or use another name."
    adopt = f"{labels.ADOPT}: {left_by}"
    return f"{what}: it was left by another. To take it over with all data, annotate this Tenant {adopt!r}."
