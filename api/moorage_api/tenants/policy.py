"""Rules about tenants that a permission alone does not express."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from moorage_api.auth.principal import Principal, tenant_permissions
from moorage_crds import permissions
from moorage_crds.errors import DeletionProtectedError, TenantSuspendedError, UnavailableError

_FOREIGN = "NamespaceForeign"


def visible(principal: Principal, tenants: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the tenants the caller may read."""
    return [each for each in tenants if permissions.TENANTS_READ in tenant_permissions(principal, each)]


def check_awake(tenant: Mapping[str, Any]) -> None:
    """Raise TenantSuspendedError while the tenant is suspended: it has no pod that could answer."""
    if (tenant.get("spec") or {}).get("suspend"):
        raise TenantSuspendedError(f"Tenant {tenant['metadata']['name']!r} is suspended.")


def check_unprotected(tenant: Mapping[str, Any]) -> None:
    """Raise DeletionProtectedError while the tenant must not be deleted; the cluster refuses it by itself too."""
    if (tenant.get("spec") or {}).get("deletionProtection"):
        raise DeletionProtectedError(
            f"Tenant {tenant['metadata']['name']!r} is protected: set spec.deletionProtection to false first."
        )


def check_namespace(tenant: Mapping[str, Any]) -> None:
    """Raise UnavailableError while the tenant has no namespace of its own.

    The operator alone knows: a namespace of the derived name may be somebody else's, and nothing may be put there.
    """
    status = tenant.get("status") or {}
    foreign = any(each.get("reason") == _FOREIGN for each in status.get("conditions") or ())
    if foreign or not status.get("tenantID"):
        raise UnavailableError("The tenant's namespace is not there yet.")
