"""The steps of a Tenant's deletion: everything goes, or with ``Retain`` what runs and what may act.

Separate from ``plan`` because a deletion needs nothing of the spec but its policy: a spec that cannot be met must not
keep a Tenant for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from moorage_crds import conditions as words
from moorage_crds import labels, names
from moorage_operator.reconcile import children, identity, statuses
from moorage_operator.reconcile.actions import Action, Apply, ApplyStatus, Delete, RemoveFinalizer
from moorage_operator.reconcile.conditions import Verdict
from moorage_operator.reconcile.desired import (
    OPERATOR_BINDING,
    is_protected,
    operator_binding,
    unprotected_namespace,
)
from moorage_operator.reconcile.world import Manifest, Settings, World

_WORKLOADS: Final = (("Deployment", names.TRITON), ("StatefulSet", names.WEAVIATE))


def steps(world: World, tenant: Manifest, settings: Settings, now: datetime) -> tuple[Action, ...]:
    """Return the next step: end the pods, take away the rest or the rights, wait, let go."""
    metadata = tenant["metadata"]
    if labels.FINALIZER not in (metadata.get("finalizers") or ()):
        return ()
    if world.namespace is None or not identity.is_own_namespace(world):
        return _let_go(tenant)
    if identity.is_being_deleted(world.namespace) or not _is_retained(tenant):
        return _delete(world, world.namespace, tenant, now)
    return _retain(world, world.namespace, tenant, settings, now)


def _is_retained(tenant: Manifest) -> bool:
    """Return whether the namespace stays; read from the spec alone, whatever else is wrong with it."""
    return (tenant.get("spec") or {}).get("deletionPolicy") == "Retain"


def _let_go(tenant: Manifest) -> tuple[RemoveFinalizer]:
    metadata = tenant["metadata"]
    return (RemoveFinalizer(metadata["name"], metadata["uid"], metadata["resourceVersion"]),)


def _say(tenant: Manifest, message: str, now: datetime) -> tuple[ApplyStatus, ...]:
    verdict = Verdict(words.READY, "False", "Deleting", message)
    return statuses.write(tenant, statuses.carried(tenant, verdict, stalled=False, now=now))


def _delete(world: World, namespace: Manifest, tenant: Manifest, now: datetime) -> tuple[Action, ...]:
    said = _say(tenant, f"Namespace {world.namespace_name} is being deleted.", now)
    if identity.is_being_deleted(namespace):
        return said
    if _has_workloads(world):
        return (*_end_workloads(world), *said)
    return (Delete("Namespace", None, world.namespace_name, namespace["metadata"]["uid"], "v1"), *said)


def _retain(
    world: World, namespace: Manifest, tenant: Manifest, settings: Settings, now: datetime
) -> tuple[Action, ...]:
    """End what runs behind the fence that stays, then take away rights and Services, and then let go."""
    said = _say(tenant, f"Pods and rights are being removed; namespace {world.namespace_name} stays.", now)
    if is_protected(namespace):  # left so, nobody could ever delete it
        return (Apply(unprotected_namespace(world), namespace["metadata"]["resourceVersion"]), *said)
    if ("RoleBinding", OPERATOR_BINDING) not in world.children:
        return (Apply(operator_binding(world, settings), None), *said)
    if _has_workloads(world):
        return (*_end_workloads(world), *said)
    leaving = children.leaving(world)
    return (*leaving, *said) if leaving else _let_go(tenant)


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
