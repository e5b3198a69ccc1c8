"""Tenants as the cluster holds them: the watch cache, less what we have just deleted."""

from __future__ import annotations

from typing import Any

from moorage_api.kube.writes import TENANT
from moorage_api.services import Services

Manifest = dict[str, Any]


def tenants(services: Services) -> list[Manifest]:
    """Return all tenants, ordered by name."""
    return [each for each in services.cache.tenants() if not services.writes.is_gone(each)]


async def create(services: Services, name: str, spec: Manifest) -> Manifest:
    """Create a Tenant; raises ConflictError when the name is taken."""
    return await services.writes.create(TENANT, None, name, spec)


async def replace(services: Services, name: str, spec: Manifest, if_match: str | None) -> Manifest:
    """Replace a Tenant's spec; raises PreconditionFailedError, ManagedElsewhereError."""
    return await services.writes.replace(TENANT, None, name, spec, if_match)


async def annotate(services: Services, name: str, key: str, value: str) -> Manifest:
    """Set an annotation of a Tenant."""
    return await services.writes.annotate(TENANT, None, name, key, value)


async def delete(services: Services, name: str, if_match: str | None) -> None:
    """Ask for a Tenant's deletion; it stays visible until its namespace is gone."""
    await services.writes.delete(TENANT, None, name, if_match)
