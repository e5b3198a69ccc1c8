"""Which tenant and part an object belongs to, and whether a namespace is a tenant's own.

Separate so that labels are put on in one place: watches, policies and the admission fence all select by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moorage_crds import labels
from moorage_operator.reconcile.world import Manifest, World


def common_labels(tenant: str, component: str | None = None) -> dict[str, str]:
    """Return the labels that every object of a tenant carries."""
    common = {labels.TENANT: tenant, labels.MANAGED_BY: labels.MANAGER}
    return common | ({labels.COMPONENT: component} if component else {})


def selector(component: str) -> dict[str, str]:
    """Return the labels that tell the pods of one part from all others of the namespace.

    Without the tenant's name, which the namespace implies: most rendered templates are then the same for all tenants
    and parsed once.
    """
    return {labels.COMPONENT: component}


def identify(
    manifest: Mapping[str, Any], tenant: str, namespace: str | None, component: str | None = None
) -> dict[str, Any]:
    """Return a copy of ``manifest`` with its namespace and labels, those of its pods and volume claims too."""
    common = common_labels(tenant, component)
    identified = _labelled(manifest, common)
    if namespace:
        identified["metadata"] = {
            "name": manifest["metadata"]["name"],
            "namespace": namespace,
            **identified["metadata"],
        }
    spec = manifest.get("spec", {})
    if "template" in spec:
        identified["spec"] = {**spec, "template": _labelled(spec["template"], common)}
    if "volumeClaimTemplates" in spec:
        claims = [_labelled(claim, common) for claim in spec["volumeClaimTemplates"]]
        identified["spec"]["volumeClaimTemplates"] = claims
    return identified


def _labelled(part: Mapping[str, Any], common: Mapping[str, str]) -> dict[str, Any]:
    metadata = part.get("metadata", {})
    return {**part, "metadata": {**metadata, "labels": {**metadata.get("labels", {}), **common}}}


def tenant_id(world: World) -> str | None:
    """Return the tenantID written on the namespace, None when there is none."""
    if world.namespace is None:
        return None
    annotations: Mapping[str, str] = world.namespace["metadata"].get("annotations") or {}
    return annotations.get(labels.TENANT_ID) or None


def first_tenant_id(tenant: Manifest) -> str:
    """Return the tenantID for a namespace about to be made: the one in status, else the Tenant's UID.

    Status has it when the namespace vanished under a living Tenant: data outside the cluster keeps its keys.
    """
    recorded: str | None = (tenant.get("status") or {}).get("tenantID")
    return recorded or str(tenant["metadata"]["uid"])


def is_own_namespace(world: World) -> bool:
    """Return whether the namespace is this very Tenant's, not one of the same name made by anybody else."""
    if world.tenant is None or world.namespace is None:
        return False
    own = {world.tenant["metadata"]["uid"], first_tenant_id(world.tenant), _adopted_id(world.tenant)}
    known = tenant_id(world)
    return is_labelled(world) and known is not None and known in own


def _adopted_id(tenant: Manifest) -> str | None:
    """Return the tenantID that a person lets the Tenant take over, if it is found on the namespace of its name.

    It never names a new namespace: two tenants could be given the same one.
    """
    annotations: Mapping[str, str] = tenant["metadata"].get("annotations") or {}
    return annotations.get(labels.ADOPT) or None


def is_labelled(world: World) -> bool:
    """Return whether the namespace carries the tenant's label, without which the admission policy allows no write."""
    if world.namespace is None:
        return False
    given: Mapping[str, str] = world.namespace["metadata"].get("labels") or {}
    return given.get(labels.TENANT) == world.tenant_name


def is_being_deleted(manifest: Manifest) -> bool:
    """Return whether deletion of the object has begun."""
    return bool(manifest["metadata"].get("deletionTimestamp"))


def is_paused(manifest: Manifest) -> bool:
    """Return whether a person has stopped reconciling the object."""
    annotations: Mapping[str, str] = manifest["metadata"].get("annotations") or {}
    return annotations.get(labels.PAUSED) == "true"
