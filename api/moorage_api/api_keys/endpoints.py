"""Routes about API keys."""

from __future__ import annotations

from fastapi import Response, status

from moorage_api.api_keys import service
from moorage_api.api_keys.schemas import ApiKeyView, CreatedApiKey, NewApiKey
from moorage_api.auth.routing import CurrentPrincipal, CurrentTenant, guarded_router, require_permission
from moorage_api.pages import CurrentPage, Page
from moorage_api.services import CurrentServices
from moorage_crds import permissions

router = guarded_router("/tenants/{tenant}/api-keys", "api-keys")


@router.get("")
@require_permission(permissions.KEYS_READ)
async def list_keys(services: CurrentServices, tenant: CurrentTenant, page: CurrentPage) -> Page[ApiKeyView]:
    """List the tenant's usable API keys."""
    return await service.keys(services, tenant, page)


@router.post("", status_code=status.HTTP_201_CREATED)
@require_permission(permissions.KEYS_WRITE)
async def create_key(
    services: CurrentServices,
    principal: CurrentPrincipal,
    tenant: CurrentTenant,
    body: NewApiKey,
    response: Response,
) -> CreatedApiKey:
    """Make an API key of the caller; the answer holds it in full, this once."""
    response.headers["Cache-Control"] = "no-store"
    return await service.create(services, principal, tenant, body)


@router.delete("/{prefix}", status_code=status.HTTP_204_NO_CONTENT)
@require_permission(permissions.KEYS_WRITE)
async def revoke_key(
    services: CurrentServices, principal: CurrentPrincipal, tenant: CurrentTenant, prefix: str
) -> None:
    """Make an API key useless at once."""
    await service.revoke(services, principal, tenant, prefix)
