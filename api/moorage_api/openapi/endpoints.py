"""Route of the OpenAPI document."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from moorage_api import BASE_PATH
from moorage_api.auth.routing import GuardedRoute, require_permission
from moorage_crds import permissions

router = APIRouter(prefix=BASE_PATH, tags=["openapi"], route_class=GuardedRoute)


@router.get("/openapi.json")
@require_permission(permissions.PUBLIC)
async def document(request: Request) -> dict[str, Any]:
    """Describe every route; it is in the source anyway, so there is nothing to hide."""
    described: dict[str, Any] = request.app.openapi()
    return described
