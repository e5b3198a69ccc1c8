"""Bringing a tenant's children from what is observed to what is desired.

Separate from ``desired``, which says what they are, and from ``plan``, which knows when they may be touched at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from moorage_crds import labels
from moorage_operator.reconcile import claims, owned, rolls
from moorage_operator.reconcile.actions import Action, Apply, AwaitTurn, Create, Delete
from moorage_operator.reconcile.desired import OPERATOR_BINDING
from moorage_operator.reconcile.identity import is_being_deleted
from moorage_operator.reconcile.workloads import WORKLOADS
from moorage_operator.reconcile.world import Manifest, World

_PRUNED: Final = {
    "Deployment": "apps/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "NetworkPolicy": "networking.k8s.io/v1",
    "PodDisruptionBudget": "policy/v1",
    "Role": "rbac.authorization.k8s.io/v1",
    "RoleBinding": "rbac.authorization.k8s.io/v1",
    "Service": "v1",
    "ServiceAccount": "v1",
    "StatefulSet": "apps/v1",
}
"""API version of the kinds that are deleted when no longer desired. Claims and Secrets never are: they hold data."""

_STAYS: Final = frozenset({"NetworkPolicy"})
"""Kinds among these that a retained namespace keeps."""

_FENCE: Final = frozenset(
    {"Namespace", "NetworkPolicy", "ServiceAccount", "Role", "RoleBinding", "ResourceQuota", "LimitRange"}
)
_GRANTS: Final = frozenset({"RoleBinding"})
"""Kinds that are taken away even while workloads are held."""
_AFTER_SECRET: Final = frozenset({*WORKLOADS, "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler"})


def writes(
    world: World, manifests: Iterable[Mapping[str, Any]], secret: Iterable[Action], *, holds: bool = False
) -> tuple[Action, ...]:
    """Return the writes in order of creation: namespace, fence and limits, Secret, workloads, and last deletions.

    With ``holds`` whatever runs stays as it is: nothing is made or changed that the spec cannot have, nor taken away
    that the last good spec needs. The fence, the limits and who may enter are brought up to date all the same.
    """
    wanted = tuple(manifests)
    if holds:
        return _fence_writes(world, wanted, secret)
    before = tuple(manifest for manifest in wanted if manifest["kind"] not in _AFTER_SECRET)
    after = tuple(manifest for manifest in wanted if manifest["kind"] in _AFTER_SECRET)
    return (
        *(action for manifest in before for action in _write(world, manifest)),
        *secret,
        *(action for manifest in after for action in _write(world, manifest)),
        *_prune(world, wanted),
    )


def leaving(world: World) -> tuple[Action, ...]:
    """Return deletions of what goes from a namespace that outlives its Tenant: all but its fence and its data.

    The operator's own binding stays: who takes the namespace over finds it as it left it.
    """
    kept = [child for (kind, name), child in world.children.items() if kind in _STAYS or name == OPERATOR_BINDING]
    return tuple(_prune(world, tuple(kept)))


def _fence_writes(world: World, wanted: tuple[Mapping[str, Any], ...], secret: Iterable[Action]) -> tuple[Action, ...]:
    fence = tuple(manifest for manifest in wanted if manifest["kind"] in _FENCE)
    gone = (action for action in _prune(world, wanted) if action.kind in _GRANTS)
    return (*(action for manifest in fence for action in _write(world, manifest)), *secret, *gone)


def are_workloads(actions: Iterable[Action]) -> bool:
    """Return whether one of the writes changes pods."""
    return any(_kind(action) in WORKLOADS for action in actions)


def is_waiting(actions: Iterable[Action]) -> bool:
    """Return whether a workload waits until fewer tenants are being rolled."""
    return any(isinstance(action, AwaitTurn) for action in actions)


def are_fence(actions: Iterable[Action]) -> bool:
    """Return whether one of the writes changes the namespace, its policies, limits or rights."""
    return any(_kind(action) in _FENCE for action in actions)


def _kind(action: Action) -> str | None:
    match action:
        case Create() | Apply():
            return str(action.manifest["kind"])
        case Delete():
            return action.kind
        case _:
            return None


def _observed(world: World, kind: str, name: str) -> Manifest | None:
    """Return a child; none survives its namespace, whatever a cache still holds."""
    return world.children.get((kind, name)) if world.namespace else None


def _write(world: World, manifest: Mapping[str, Any]) -> Iterator[Action]:
    if manifest["kind"] == "Namespace":
        yield from _namespace(world, manifest)
        return
    observed = _observed(world, manifest["kind"], manifest["metadata"]["name"])
    if observed is None:
        yield Apply(manifest, None)
    elif is_being_deleted(observed):
        return
    elif claims.is_outgrown(manifest, observed):
        yield _make_way(world, observed)
    elif not owned.is_current(manifest, observed):
        yield _change(world, manifest, observed)


def _change(world: World, manifest: Mapping[str, Any], observed: Manifest) -> Apply | AwaitTurn:
    if manifest["kind"] in WORKLOADS and rolls.has_to_wait(world, manifest, observed):
        return AwaitTurn(manifest["kind"], world.namespace_name, manifest["metadata"]["name"])
    return Apply(manifest, observed["metadata"]["resourceVersion"])


def _make_way(world: World, observed: Manifest) -> Delete:
    """Return the deletion of a StatefulSet that is made anew in the next pass; its pods run on."""
    metadata = observed["metadata"]
    return Delete(
        "StatefulSet", world.namespace_name, metadata["name"], metadata["uid"], _PRUNED["StatefulSet"], orphans=True
    )


def _namespace(world: World, manifest: Mapping[str, Any]) -> Iterator[Action]:
    """Yield a POST when there is none, so that a namespace made by somebody else is never taken over."""
    if world.namespace is None:
        yield Create(manifest)
    elif not owned.holds(manifest, world.namespace):
        yield Apply(manifest, world.namespace["metadata"]["resourceVersion"])


def _prune(world: World, wanted: tuple[Mapping[str, Any], ...]) -> Iterator[Delete]:
    """Yield deletions of children that we applied once and want no longer."""
    if world.namespace is None:
        return
    kept = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in wanted}
    for (kind, name), child in sorted(world.children.items(), key=lambda item: item[0]):
        if kind in _PRUNED and (kind, name) not in kept and _is_prunable(child):
            yield Delete(kind, world.namespace_name, name, child["metadata"]["uid"], _PRUNED[kind])


def _is_prunable(child: Manifest) -> bool:
    given = child["metadata"].get("labels") or {}
    is_managed = given.get(labels.MANAGED_BY) == labels.MANAGER and owned.is_ours(child)
    return is_managed and not is_being_deleted(child)
