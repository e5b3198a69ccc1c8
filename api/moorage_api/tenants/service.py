"""Tenants: what the caller may see, and changes that go to Kubernetes."""

from __future__ import annotations

from typing import Any

from moorage_api.auth.principal import Principal
from moorage_api.kube import etag
from moorage_api.pages import Page, PageRequest
from moorage_api.resources import ResourceFields, fields
from moorage_api.services import Services
from moorage_api.tenants import policy, repository
from moorage_api.tenants.schemas import Adoption, NewTenant, TenantSpecOnly
from moorage_crds import labels

Manifest = dict[str, Any]


def tenants(services: Services, principal: Principal, request: PageRequest) -> Page[ResourceFields]:
    """Return a page of the tenants that the caller may read, those being deleted included."""
    shown = [fields(each) for each in policy.visible(principal, repository.tenants(services))]
    return request.cut(shown, lambda each: each["name"])


async def create(services: Services, request: NewTenant) -> Manifest:
    """Create a tenant."""
    return await repository.create(services, request.name, request.manifest_spec())


async def replace(
    services: Services, principal: Principal, tenant: Manifest, request: TenantSpecOnly, if_match: str | None
) -> Manifest:
    """Replace a tenant's spec; what the caller may not change has to be in it unchanged."""
    if not policy.may_change_all(principal, tenant):
        policy.check_change(tenant, request.spec)
        # The write must meet the very spec that was compared, or a change of the platform's would be undone by it.
        etag.check(if_match, tenant)
        if_match = etag.etag(tenant)
    return await repository.replace(services, tenant["metadata"]["name"], request.manifest_spec(), if_match)


async def adopt(services: Services, name: str, request: Adoption) -> Manifest:
    """Let the tenant take over the namespace of its name that carries the tenantID, as soon as the operator sees it."""
    return await repository.annotate(services, name, labels.ADOPT, request.tenant_id)


async def rotate_credentials(services: Services, name: str) -> Manifest:
    """Ask the operator for new credentials of the tenant's own Triton and vector store."""
    return await repository.annotate(services, name, labels.ROTATE, services.clock().isoformat())


async def delete(services: Services, tenant: Manifest, if_match: str | None) -> None:
    """Ask for a tenant's deletion; raises DeletionProtectedError."""
    policy.check_unprotected(tenant)
    await repository.delete(services, tenant["metadata"]["name"], if_match)
