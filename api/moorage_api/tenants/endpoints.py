"""Routes about tenants."""

from __future__ import annotations

from fastapi import Response, status

from moorage_api import BASE_PATH
from moorage_api.auth.routing import CurrentPrincipal, CurrentTenant, guarded_router, require_permission
from moorage_api.pages import CurrentPage, Page
from moorage_api.resources import IfMatch, respond
from moorage_api.services import CurrentServices
from moorage_api.tenants import service
from moorage_api.tenants.schemas import Adoption, NewTenant, TenantSpecOnly, TenantView
from moorage_crds import permissions

router = guarded_router("/tenants", "tenants")


# Everybody may ask; the answer holds only what the caller has tenants:read for.
@router.get("", response_model=Page[TenantView])
@require_permission(permissions.SELF)
async def list_tenants(services: CurrentServices, principal: CurrentPrincipal, page: CurrentPage) -> Response:
    """List the tenants that the caller may read, by name."""
    return service.tenants(services, principal, page).response()


@router.post("", status_code=status.HTTP_201_CREATED, response_model=TenantView)
@require_permission(permissions.TENANTS_WRITE)
async def create_tenant(services: CurrentServices, body: NewTenant) -> Response:
    """Create a tenant."""
    manifest = await service.create(services, body)
    return respond(manifest, status.HTTP_201_CREATED, f"{BASE_PATH}/tenants/{body.name}")


@router.get("/{tenant}", response_model=TenantView)
@require_permission(permissions.TENANTS_READ)
async def get_tenant(tenant: CurrentTenant) -> Response:
    """Show a tenant."""
    return respond(tenant)


@router.put("/{tenant}", response_model=TenantView)
@require_permission(permissions.TENANTS_CONFIGURE)
async def replace_tenant(
    services: CurrentServices,
    principal: CurrentPrincipal,
    tenant: CurrentTenant,
    body: TenantSpecOnly,
    if_match: IfMatch = None,
) -> Response:
    """Replace a tenant's spec; the platform's fields of it must stay as they are without tenants:write."""
    return respond(await service.replace(services, principal, tenant, body, if_match))


@router.post("/{tenant}/adopt", status_code=status.HTTP_202_ACCEPTED, response_model=TenantView)
@require_permission(permissions.TENANTS_WRITE)
async def adopt_namespace(services: CurrentServices, tenant: CurrentTenant, body: Adoption) -> Response:
    """Let a new tenant take over the namespace that an earlier one of its name has left, with all data."""
    manifest = await service.adopt(services, tenant["metadata"]["name"], body)
    return respond(manifest, status.HTTP_202_ACCEPTED)


@router.post("/{tenant}/rotate-credentials", status_code=status.HTTP_202_ACCEPTED, response_model=TenantView)
@require_permission(permissions.TENANTS_WRITE)
async def rotate_credentials(services: CurrentServices, tenant: CurrentTenant) -> Response:
    """Ask for new credentials of the tenant's own Triton and vector store; its pods are rolled to take them."""
    manifest = await service.rotate_credentials(services, tenant["metadata"]["name"])
    return respond(manifest, status.HTTP_202_ACCEPTED)


@router.delete("/{tenant}", status_code=status.HTTP_202_ACCEPTED)
@require_permission(permissions.TENANTS_WRITE)
async def delete_tenant(services: CurrentServices, tenant: CurrentTenant, if_match: IfMatch = None) -> Response:
    """Ask for a tenant's deletion with everything in it; it is listed as deleting until that is done."""
    await service.delete(services, tenant, if_match)
    return Response(status_code=status.HTTP_202_ACCEPTED)
