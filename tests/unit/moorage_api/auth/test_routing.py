"""No route without a declared permission."""

from __future__ import annotations

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts

from moorage_api.auth.routing import GuardedRoute, guarded_router, permission_of, require_permission
from moorage_crds import permissions
from tests.support.api import Api


def test_every_route_declares_its_permission(api: Api) -> None:
    routes = list(iter_route_contexts(api.app.routes))

    assert len(routes) > 20
    for route in routes:
        assert route.endpoint is not None
        assert permission_of(route.endpoint) is not None, route.path


def test_a_route_without_a_permission_cannot_be_built() -> None:
    router = guarded_router("/x", "x")

    with pytest.raises(TypeError, match="declares no permission"):

        @router.get("")
        async def endpoint() -> None:
            """Declare nothing."""


def test_an_unknown_permission_cannot_be_declared() -> None:
    with pytest.raises(ValueError, match="models:wirte"):
        require_permission("models:wirte")


async def test_an_anonymous_caller_learns_nothing_of_the_body(api: Api) -> None:
    answer = await api.client.post("/api/v1/users", json={"nonsense": True})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_public_routes_are_these_and_no_others(api: Api) -> None:
    public = {
        route.path
        for route in iter_route_contexts(api.app.routes)
        if route.endpoint is not None and permission_of(route.endpoint) == permissions.PUBLIC
    }

    assert public == {"/healthz", "/readyz", "/api/v1/auth/login", "/api/v1/openapi.json"}


def test_a_guarded_route_works_in_any_router() -> None:
    router = APIRouter(route_class=GuardedRoute)

    @router.get("/x")
    @require_permission(permissions.PUBLIC)
    async def endpoint() -> None:
        """Do nothing."""

    app = FastAPI()
    app.include_router(router)
    assert [route.path for route in iter_route_contexts(app.routes) if route.path == "/x"]
