"""Probes. Liveness asks nothing of anybody: a process must not be killed because its database is slow."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from moorage_api.auth.routing import GuardedRoute, require_permission
from moorage_api.errors import RESPONSES
from moorage_api.observability import health
from moorage_api.services import CurrentServices
from moorage_crds import permissions

router = APIRouter(tags=["health"], route_class=GuardedRoute, responses={503: RESPONSES[503]})


class Health(BaseModel):
    """A probe's good answer; a bad one is a problem document."""

    status: str


@router.get("/healthz")
@require_permission(permissions.PUBLIC)
async def alive() -> Health:
    """Say that the process answers."""
    return Health(status="alive")


@router.get("/readyz")
@require_permission(permissions.PUBLIC)
async def ready(services: CurrentServices) -> Health:
    """Say whether requests can be served: the database answers and the cluster has been listed."""
    await health.check_ready(services)
    return Health(status="ready")
