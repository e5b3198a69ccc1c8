"""Models as the cluster holds them: the watch cache, less what we have just deleted."""

from __future__ import annotations

from typing import Any

from moorage_api.kube.writes import MODEL, Change
from moorage_api.services import Services
from moorage_crds.errors import NotFoundError
from moorage_crds.names import tenant_namespace

Manifest = dict[str, Any]


def models(services: Services, tenant: str) -> list[Manifest]:
    """Return the models of a tenant, ordered by name."""
    found = services.cache.models(tenant_namespace(tenant))
    return [each for each in found if not services.writes.is_gone(each)]


def model(services: Services, tenant: str, name: str) -> Manifest:
    """Return a model of a tenant; raises NotFoundError."""
    found = services.cache.model(tenant_namespace(tenant), name)
    if found is None or services.writes.is_gone(found):
        raise NotFoundError(f"There is no model {name!r}.")
    return found


async def create(services: Services, tenant: str, name: str, spec: Manifest) -> Manifest:
    """Create a ModelDeployment; raises ConflictError when the name is taken."""
    return await services.writes.create(MODEL, tenant_namespace(tenant), name, spec)


async def replace(services: Services, tenant: str, name: str, spec: Manifest, if_match: str | None) -> Manifest:
    """Replace a ModelDeployment's spec; raises PreconditionFailedError, ManagedElsewhereError."""
    return await services.writes.replace(MODEL, tenant_namespace(tenant), name, spec, if_match)


async def amend(services: Services, tenant: str, name: str, change: Change, if_match: str | None) -> Manifest:
    """Change a part of a ModelDeployment's spec; raises PreconditionFailedError, ManagedElsewhereError."""
    return await services.writes.amend(MODEL, tenant_namespace(tenant), name, change, if_match)


async def delete(services: Services, tenant: str, name: str, if_match: str | None) -> None:
    """Delete a ModelDeployment."""
    await services.writes.delete(MODEL, tenant_namespace(tenant), name, if_match)
