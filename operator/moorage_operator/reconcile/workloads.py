"""How far a tenant's workloads are: whether every pod is there, ready, and of the current template.

Separate because both ask: the status says it to people, and old credentials end only with the last pod that holds them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from moorage_crds import labels
from moorage_operator.reconcile.world import Manifest, World

WORKLOADS: Final = ("Deployment", "StatefulSet")
MARKS: Final = {"Deployment": labels.ROTATION, "StatefulSet": labels.STORE_ROOT}
"""Annotation of each one's pods that counts the changes of the keys that they take when they start."""


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
    return count_of(marked, labels.ROTATION)


def count_of(marked: Manifest, annotation: str) -> int:
    """Return a counter that a Secret or a pod template carries; 0 for none."""
    annotations = marked.get("metadata", {}).get("annotations") or {}
    written: str = annotations.get(annotation, "")
    return int(written) if written.isdecimal() else 0


def keys_of(workload: Manifest) -> int:
    """Return the number of the keys that a workload's pods take when they start."""
    return count_of(workload["spec"]["template"], MARKS[workload["kind"]])


def hold(world: World, wanted: Iterable[Manifest], rotation: int) -> bool:
    """Return whether every pod that takes rotated keys was made to hold those of that rotation.

    A workload of the ``wanted`` manifests that is not there may have left its pods behind, as while it is made anew.
    The vector store's pods take none of them.
    """
    asked = {one["metadata"]["name"] for one in wanted if one["kind"] == "Deployment"}
    found = [one for one in observed(world) if one["kind"] == "Deployment"]
    is_missing = bool(asked - {one["metadata"]["name"] for one in found})
    return not is_missing and all(keys_of(one) == rotation and is_complete(one) for one in found)
