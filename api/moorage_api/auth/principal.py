"""The caller of a request, and the one rule that says what a caller may do.

Separate from FastAPI and from SQL because the gateway's raw ASGI code applies the same rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from moorage_api.errors import ForbiddenError
from moorage_crds import permissions
from moorage_crds.errors import NotFoundError

SubjectKind = Literal["User", "ServiceAccount"]

_ROLES: Final[tuple[permissions.TenantRole, ...]] = ("viewer", "user", "developer", "admin")
"""Tenant roles, least first; the highest of all origins wins."""


@dataclass(frozen=True)
class Principal:
    """An authenticated subject together with the credential it came with."""

    subject: str
    """The subject's immutable name."""
    kind: SubjectKind
    platform_role: permissions.PlatformRole
    credential_id: str
    """Id of the session or prefix of the API key; fit for logs and audit."""
    subject_id: str = ""
    """The subject's id in SQL."""
    tenant: str | None = None
    """Name of the tenant an API key belongs to; None for a session."""
    tenant_id: str | None = None
    """tenantID of that tenant: a tenant re-created under the name is another one."""
    scopes: frozenset[str] | None = None
    """Permissions an API key is limited to; None for a session, which is not limited."""
    memberships: Mapping[str, permissions.TenantRole] = field(default_factory=dict)
    """tenantID -> role granted through the API; ``Tenant.spec.members`` comes on top."""

    @property
    def is_api_key(self) -> bool:
        """Whether the credential is an API key: it acts in its tenant alone and never on the account itself."""
        return self.tenant_id is not None


def tenant_id_of(tenant: Mapping[str, Any]) -> str:
    """Return the tenantID of a Tenant manifest; before the operator has seen it, its UID is what it will become."""
    status = tenant.get("status") or {}
    return str(status.get("tenantID") or tenant["metadata"]["uid"])


def role_in(principal: Principal, tenant: Mapping[str, Any]) -> permissions.TenantRole | None:
    """Return the highest role the subject holds in the tenant, or None; the platform role is not counted."""
    members = (tenant.get("spec") or {}).get("members") or ()
    held = {each["role"] for each in members if (each["kind"], each["name"]) == (principal.kind, principal.subject)}
    held.add(principal.memberships.get(tenant_id_of(tenant)))
    return next((role for role in reversed(_ROLES) if role in held), None)


def platform_permissions(principal: Principal) -> frozenset[str]:
    """Return what the principal may do outside any tenant; an API key may only ask who it is."""
    if principal.is_api_key:
        return frozenset({permissions.SELF})
    return permissions.PLATFORM_ROLES[principal.platform_role] | {permissions.SELF}


def tenant_permissions(principal: Principal, tenant: Mapping[str, Any]) -> frozenset[str]:
    """Return what the principal may do in a tenant: its roles' permissions, cut to an API key's tenant and scopes."""
    granted = _subject_permissions(principal, tenant)
    return granted if principal.scopes is None else granted & principal.scopes


def is_visible(principal: Principal, tenant: Mapping[str, Any]) -> bool:
    """Whether the principal may know that the tenant exists."""
    return bool(_subject_permissions(principal, tenant))


def authorize(principal: Principal, permission: str, tenant_name: str | None, tenant: Mapping[str, Any] | None) -> None:
    """Let the call pass or raise.

    Args:
        principal: who calls.
        permission: what the route demands.
        tenant_name: the tenant in the route's path; None for a route outside any tenant.
        tenant: the whole Tenant manifest of that name (spec, status and uid count), None when there is none.

    Raises:
        NotFoundError: the tenant does not exist or the caller may not know that it does; both read the same.
        ForbiddenError: the caller may see the tenant but lacks the permission, or lacks it on the platform.
    """
    if tenant_name is None:
        _demand(permission, platform_permissions(principal))
        return
    if tenant is None or not is_visible(principal, tenant):
        raise NotFoundError(f"There is no tenant {tenant_name!r}.")
    _demand(permission, tenant_permissions(principal, tenant))


def _demand(permission: str, granted: frozenset[str]) -> None:
    if permission not in granted:
        raise ForbiddenError(f"This needs the permission {permission}.")


def _subject_permissions(principal: Principal, tenant: Mapping[str, Any]) -> frozenset[str]:
    """Return what the subject itself may do in the tenant; nothing outside an API key's own tenant."""
    if principal.is_api_key and principal.tenant_id != tenant_id_of(tenant):
        return frozenset()
    role = role_in(principal, tenant)
    platform = permissions.PLATFORM_ROLES[principal.platform_role] - {permissions.SELF}
    return platform | (permissions.TENANT_ROLES[role] if role else frozenset())
