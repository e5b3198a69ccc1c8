"""Who may make which key and take whose away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from moorage_api.auth.principal import Principal, role_in, tenant_permissions
from moorage_api.db.models import ApiKey
from moorage_api.errors import ForbiddenError


def check_create(principal: Principal, tenant: Mapping[str, Any], scopes: Iterable[str]) -> None:
    """Raise ForbiddenError unless the caller may make a key with these scopes."""
    if principal.is_api_key:
        # Otherwise a stolen key would outlive its own revocation in the keys it has made.
        raise ForbiddenError("An API key cannot make API keys.")
    missing = sorted(set(scopes) - tenant_permissions(principal, tenant))
    if missing:
        raise ForbiddenError(f"A key cannot have more power than its owner; you lack {', '.join(missing)}.")


def check_revoke(principal: Principal, tenant: Mapping[str, Any], key: ApiKey) -> None:
    """Raise ForbiddenError unless the key is the caller's own or the caller administers the tenant or the platform."""
    own = key.subject_id == principal.subject_id
    administers = "admin" in {principal.platform_role, role_in(principal, tenant)}
    if not own and not administers:
        raise ForbiddenError("Only its owner or an admin may revoke a key.")
