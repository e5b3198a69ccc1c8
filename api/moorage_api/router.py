"""The list of all routes; nothing is decided here."""

from __future__ import annotations

from fastapi import FastAPI

from moorage_api.api_keys import endpoints as api_keys
from moorage_api.auth import endpoints as auth
from moorage_api.gateway import endpoints as gateway
from moorage_api.models import endpoints as models
from moorage_api.observability import endpoints as observability
from moorage_api.openapi import endpoints as openapi
from moorage_api.tenants import endpoints as tenants
from moorage_api.users import endpoints as users
from moorage_api.vectors import endpoints as vectors

_GATEWAY = gateway.gateway_router()


def include_all(app: FastAPI) -> None:
    """Add every feature's routes to the application."""
    app.include_router(observability.router)
    app.include_router(openapi.router)
    app.include_router(auth.router)
    app.include_router(users.router)
    app.include_router(tenants.router)
    app.include_router(models.router)
    app.include_router(api_keys.router)
    app.include_router(vectors.router)
    app.include_router(_GATEWAY)
