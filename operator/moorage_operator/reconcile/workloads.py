"""How far a tenant's workloads are: whether every pod is there, ready, and of the current template.

Separate because both ask: the status says it to people, and old credentials end only with the last pod that holds them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from moorage_crds import labels
from moorage_operator.reconcile.world import Manifest, World

WORKLOADS: Final = ("Deployment", "StatefulSet")


def observed(world: World) -> list[Manifest]:
    """Return the tenant's workloads; none survives its namespace, whatever a cache still holds."""
    return [child for (kind, _), child in world.children.items() if kind in WORKLOADS] if world.namespace else []


def is_complete(workload: Manifest) -> bool:
    """Return whether every pod that is asked for runs the current template and is ready."""
    seen = workload.get("status") or {}
    wanted = workload["spec"]["replicas"]
    counts = {seen.get(count, 0) for count in ("replicas", "updatedReplicas", "readyReplicas")}
    return seen.get("observedGeneration", 0) >= workload["metadata"]["generation"] and counts == {wanted}


def rotation_of(marked: Manifest) -> int:
    """Return the number of the credentials' rotation that a Secret or a pod template carries; 0 for none."""
    annotations = marked.get("metadata", {}).get("annotations") or {}
    written: str = annotations.get(labels.ROTATION, "")
    return int(written) if written.isdecimal() else 0


def hold(world: World, wanted: Iterable[Manifest], rotation: int) -> bool:
    """Return whether every pod was made to hold the keys of that rotation.

    A workload of the ``wanted`` manifests that is not there may have left its pods behind, as while it is made anew.
    """
    missing = {(one["kind"], one["metadata"]["name"]) for one in wanted if one["kind"] in WORKLOADS} - set(
        world.children
    )
    return not missing and all(
        rotation_of(one["spec"]["template"]) == rotation and is_complete(one) for one in observed(world)
    )
