"""Who says how many Triton pods there are: the spec, or an autoscaler, the operator's own or somebody else's.

Separate because the hand-over is delicate. Server-side apply takes a field away that its only owner leaves out, and the
API server then sets ``replicas`` to 1. So the operator goes on saying a number until the live object shows that
somebody has scaled it through the subresource ``scale``, as an autoscaler does; from then on the number is theirs.
"""

from __future__ import annotations

from typing import Any

from moorage_crds import names
from moorage_crds.tenant import TenantSpec
from moorage_operator.reconcile.world import Manifest, World


def replicas(world: World, spec: TenantSpec) -> int | None:
    """Return how many Triton pods the Deployment shall say, None where an autoscaler says it."""
    if spec.suspend:
        return 0
    bounds = spec.inference.autoscaling
    if bounds is None:
        return spec.inference.replicas
    deployment = world.children.get(("Deployment", names.TRITON))
    current: int = deployment["spec"].get("replicas", 0) if deployment else 0
    # An autoscaler lets a workload of no pods sleep: after a suspension somebody has to wake it.
    if deployment and current and is_handed_over(deployment):
        return None
    return min(max(current, bounds.min), bounds.max)


def is_handed_over(deployment: Manifest) -> bool:
    """Return whether the number of pods was last set through the subresource ``scale``."""
    entries = deployment["metadata"].get("managedFields") or ()
    return any("f:replicas" in _spec_fields(entry) for entry in entries if entry.get("subresource") == "scale")


def _spec_fields(entry: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = (entry.get("fieldsV1") or {}).get("f:spec") or {}
    return fields


def least_pods(spec: TenantSpec) -> int:
    """Return how many Triton pods there are at least while the tenant is awake."""
    bounds = spec.inference.autoscaling
    return spec.inference.replicas if bounds is None else bounds.min


def most_pods(spec: TenantSpec) -> int:
    """Return how many Triton pods there may be, which the quota has to hold."""
    bounds = spec.inference.autoscaling
    return spec.inference.replicas if bounds is None else bounds.max
