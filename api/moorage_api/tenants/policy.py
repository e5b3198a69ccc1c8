"""Rules about tenants that a permission alone does not express."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from moorage_api.auth.principal import Principal, tenant_permissions
from moorage_api.errors import ForbiddenError, QuotaExceededError
from moorage_crds import owners, permissions
from moorage_crds.errors import DeletionProtectedError, TenantSuspendedError, UnavailableError
from moorage_crds.tenant import Quota, TenantSpec, parse_spec

_MODELS: Final = Quota().models
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


def may_change_all(principal: Principal, tenant: Mapping[str, Any]) -> bool:
    """Whether the caller may change the platform's fields of the tenant too."""
    return permissions.TENANTS_WRITE in tenant_permissions(principal, tenant)


def check_change(tenant: Mapping[str, Any], wanted: TenantSpec) -> None:
    """Raise ForbiddenError when the new spec changes a field of the platform's; the message names all of them."""
    changed = _changed(parse_spec(dict(tenant)).manifest(), wanted.manifest())
    refused = [f"spec.{path}" for path in changed if owners.owner_of(path) == "platform"]
    if refused:
        raise ForbiddenError(
            f"Only the platform changes {', '.join(refused)}: this needs the permission {permissions.TENANTS_WRITE}."
        )


def _changed(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the paths of the fields that differ; a list is one field."""
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _changed(old, new, f"{prefix}{name}.")
        elif old != new:
            yield f"{prefix}{name}"


def check_namespace(tenant: Mapping[str, Any]) -> None:
    """Raise UnavailableError while the tenant has no namespace of its own.

    The operator alone knows: a namespace of the derived name may be somebody else's, and nothing may be put there.
    """
    status = tenant.get("status") or {}
    foreign = any(each.get("reason") == _FOREIGN for each in status.get("conditions") or ())
    if foreign or not status.get("tenantID"):
        raise UnavailableError("The tenant's namespace is not there yet.")


def check_model_quota(tenant: Mapping[str, Any], count: int) -> None:
    """Raise QuotaExceededError when the tenant has as many models as its quota allows."""
    quota = ((tenant.get("spec") or {}).get("quota") or {}).get("models", _MODELS)
    if count >= quota:
        raise QuotaExceededError(
            f"The tenant's quota has no room: spec.quota.models is {quota}, and there are {count} models."
        )
