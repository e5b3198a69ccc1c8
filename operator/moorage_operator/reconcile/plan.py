"""The whole reconciliation of one tenant: which of its situations it is in, and what that calls for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from moorage_crds import conditions as words
from moorage_crds import labels, names
from moorage_operator.reconcile import identity, live, models, replicas, revisions, statuses
from moorage_operator.reconcile.actions import Action, ApplyStatus, Delete, RemoveFinalizer
from moorage_operator.reconcile.conditions import Verdict
from moorage_operator.reconcile.credentials import new_key
from moorage_operator.reconcile.desired import OPERATOR_BINDING
from moorage_operator.reconcile.world import Manifest, Settings, World

_WORKLOADS: Final = (("Deployment", names.TRITON), ("StatefulSet", names.WEAVIATE))


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
        return _say(tenant, Verdict(words.READY, "False", "WriteFailed", failure), now)
    if identity.is_being_deleted(tenant):
        return _delete(world, tenant, now)
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

    Time ends a drain and makes the entry of a vanished pod removable; both are read from the world as observed, so ask
    with the world that the pass's own writes have come back to.
    """
    moments = [moment for model in live.live_models(world) for moment in _deadlines(world, model)]
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


def _say(tenant: Manifest, ready: Verdict, now: datetime) -> tuple[ApplyStatus, ...]:
    return statuses.write(tenant, statuses.carried(tenant, ready, stalled=False, now=now))


def _wait_for_namespace(world: World, tenant: Manifest, now: datetime) -> tuple[Action, ...]:
    """Return the status of a Tenant whose namespace is dying or somebody else's; nothing in it is touched."""
    if world.namespace is not None and identity.is_being_deleted(world.namespace):
        reason, stalled = "NamespaceTerminating", False
        message = f"Namespace {world.namespace_name} is being deleted; it is waited for."
    else:
        reason, stalled = "NamespaceForeign", True
        message = f"Namespace {world.namespace_name} exists and is not this tenant's; delete it or use another name."
    parts = (Verdict(words.ISOLATION_READY, "False", reason, message),)
    ready = Verdict(words.READY, "False", reason, message)
    return statuses.write(tenant, statuses.carried(tenant, ready, stalled=stalled, now=now, parts=parts))


def _delete(world: World, tenant: Manifest, now: datetime) -> tuple[Action, ...]:
    """Return the next step of a deletion: end the pods, delete the tenant's own namespace, wait, let go."""
    metadata = tenant["metadata"]
    if labels.FINALIZER not in (metadata.get("finalizers") or ()):
        return ()
    namespace = world.namespace
    if namespace is None or not identity.is_own_namespace(world):
        return (RemoveFinalizer(metadata["name"], metadata["uid"], metadata["resourceVersion"]),)
    message = f"Namespace {world.namespace_name} is being deleted."
    said = _say(tenant, Verdict(words.READY, "False", "Deleting", message), now)
    if identity.is_being_deleted(namespace):
        return said
    if _has_workloads(world):
        return (*_end_workloads(world), *said)
    return (Delete("Namespace", None, world.namespace_name, namespace["metadata"]["uid"], "v1"), *said)


def _has_workloads(world: World) -> bool:
    """Return whether something runs pods that has to end before the namespace is deleted.

    A namespace that still has pods when its deletion begins is looked at again only after half their grace period,
    which is five minutes for the vector store; pods themselves end in seconds. Without our binding there, nothing of
    it can be deleted by us, and the namespace takes it along.
    """
    return ("RoleBinding", OPERATOR_BINDING) in world.children and any(key in world.children for key in _WORKLOADS)


def _end_workloads(world: World) -> Iterator[Delete]:
    for kind, name in _WORKLOADS:
        found = world.children.get((kind, name))
        if found is not None and not identity.is_being_deleted(found):
            uid = found["metadata"]["uid"]
            yield Delete(kind, world.namespace_name, name, uid, "apps/v1", with_dependents=True)
