"""How many tenants have their pods replaced at the same time.

Separate because it is the one decision about a tenant that depends on others. A new version of the operator may want
other pods of every tenant at once: all would fetch and load their models and start their stores in the same minute. So
a template that differs only because of the operator's own settings waits while as many tenants are being rolled as the
budget allows. Who is being rolled is read from the workloads themselves: an operator that starts anew neither forgets
nor exceeds it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from moorage_crds import names
from moorage_operator.reconcile import owned, times, workloads
from moorage_operator.reconcile.world import Manifest, World

STORE_POD: Final = timedelta(minutes=15)
"""What a StatefulSet's roll may take for each pod: up to ten minutes to end, the rest to start."""
WITHOUT_END: Final = datetime.max.replace(tzinfo=UTC)

_SUCCEEDED, _GAVE_UP = "NewReplicaSetAvailable", "ProgressDeadlineExceeded"
"""Reasons by which a Deployment says that its roll is over; pods that it loses later leave them as they are."""


def rolls_until(workload: Manifest) -> datetime | None:
    """Return until when a workload counts as being rolled if nothing is heard of it, None when it is not.

    One that never comes to its end must not keep the others waiting for ever. A Deployment says so itself; a
    StatefulSet does not, so its time counts from our last write. Takes the object as the API server answers it.
    """
    if not workload["spec"].get("replicas"):
        return None
    status = workload.get("status") or {}
    if status.get("observedGeneration", 0) < workload["metadata"]["generation"]:
        return WITHOUT_END
    if workload["kind"] == "StatefulSet":
        return _end_of_store(workload, status)
    return None if _is_over(workload, status) else WITHOUT_END


def has_room(rolling: Iterable[str], budget: int) -> bool:
    """Return whether one more tenant may be rolled; looks at no more of the ``rolling`` ones than it must."""
    found: set[str] = set()
    for one in rolling:
        found.add(one)
        if len(found) >= budget:
            return False
    return True


def has_to_wait(world: World, wanted: Manifest, live: Manifest) -> bool:
    """Return whether a workload that shall change waits: its pods would be replaced for the operator's sake alone."""
    return (
        not world.may_roll
        and _replaces_pods(wanted, live)
        and _is_settled(world.tenant)
        and not owned.is_current(wanted, live, below=("spec", "template"))
    )


def _replaces_pods(wanted: Manifest, live: Manifest) -> bool:
    """Return whether there are pods to replace; those that new keys replace anyway wait for nothing."""
    had = live["spec"].get("replicas", 0)
    is_rotated = workloads.keys_of(wanted) != workloads.keys_of(live)
    return bool(had and wanted["spec"].get("replicas", had)) and not is_rotated


def _is_settled(tenant: Manifest | None) -> bool:
    """Return whether the spec was applied before; a change of its own is not made to wait."""
    found: Any = tenant or {"metadata": {}}
    return bool((found.get("status") or {}).get("observedGeneration") == found["metadata"].get("generation"))


def _is_over(deployment: Manifest, status: Manifest) -> bool:
    """Return whether a Deployment has given up, or has no old pod and had all new ones.

    Its old pods count as available, and the reason may for a moment be that of the roll before.
    """
    told = {one["type"]: one.get("reason") for one in status.get("conditions") or ()}.get("Progressing")
    has_old = status.get("replicas", 0) > status.get("updatedReplicas", 0)
    is_complete = told == _SUCCEEDED or not _is_behind(deployment, status, "updatedReplicas", "availableReplicas")
    return told == _GAVE_UP or (is_complete and not has_old)


def _end_of_store(workload: Manifest, status: Manifest) -> datetime | None:
    is_old = status.get("currentRevision") != status.get("updateRevision")
    if not is_old and not _is_behind(workload, status, "updatedReplicas"):
        return None
    pods: int = workload["spec"]["replicas"]
    return _written_at(workload["metadata"]) + STORE_POD * pods


def _is_behind(workload: Manifest, status: Manifest, *counts: str) -> bool:
    return any(status.get(count, 0) < workload["spec"]["replicas"] for count in counts)


def _written_at(metadata: Manifest) -> datetime:
    """Return when we last wrote the object; when it was made, if nobody can tell."""
    entries = metadata.get("managedFields") or ()
    ours = [one for one in entries if one.get("manager") == names.FIELD_MANAGER and one.get("operation") == "Apply"]
    written = [times.parse(one.get("time", "")) for one in ours]
    found = max((one for one in written if one), default=None)
    return found or times.parse(metadata.get("creationTimestamp", "")) or times.EPOCH
