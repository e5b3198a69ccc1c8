"""Guarded routes: a route declares its permission, and nothing of it runs before the caller has it.

A route class rather than a FastAPI dependency, because FastAPI reads and validates the body before it calls
dependencies: an anonymous caller would make us parse a body, and would learn its errors instead of a 401.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final, TypeVar, cast

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from typing_extensions import override

from moorage_api import BASE_PATH
from moorage_api.auth.principal import Principal, authorize
from moorage_api.errors import RESPONSES, UnsupportedMediaTypeError
from moorage_api.services import Services, services_of
from moorage_crds import permissions
from moorage_crds.errors import NotFoundError, UnavailableError

EndpointT = TypeVar("EndpointT", bound=Callable[..., Any])
Handler = Callable[[Request], Coroutine[Any, Any, Response]]

_ATTRIBUTE: Final = "__moorage_permission__"
_JSON: Final = "application/json"


def require_permission(permission: str) -> Callable[[EndpointT], EndpointT]:
    """Declare the permission that an endpoint demands; stands directly above the function, below the route."""
    if permission not in permissions.DESCRIPTIONS:
        raise ValueError(f"unknown permission {permission!r}")

    def declare(endpoint: EndpointT) -> EndpointT:
        setattr(endpoint, _ATTRIBUTE, permission)
        return endpoint

    return declare


def permission_of(endpoint: Callable[..., Any]) -> str | None:
    """Return the declared permission of an endpoint, or None when it declares none."""
    return cast("str | None", getattr(endpoint, _ATTRIBUTE, None))


class GuardedRoute(APIRoute):
    """A route that admits before it reads the body; one without a declared permission cannot be built."""

    @override
    def get_route_handler(self) -> Handler:
        """Return the handler with the guard in front of it."""
        permission = permission_of(self.endpoint)
        if permission is None:
            raise TypeError(f"{self.endpoint.__qualname__} declares no permission")
        inner = super().get_route_handler()
        takes_body = self.body_field is not None

        async def guarded(request: Request) -> Response:
            await admit(request, permission)
            if takes_body:
                _demand_json(request)
            return await inner(request)

        return guarded


def guarded_router(prefix: str, tag: str) -> APIRouter:
    """Return a router below ``BASE_PATH`` whose routes are guarded and document their errors."""
    return APIRouter(prefix=BASE_PATH + prefix, tags=[tag], route_class=GuardedRoute, responses=RESPONSES)


async def admit(request: Request, permission: str) -> None:
    """Authenticate, authorize and put the principal where ``CurrentPrincipal`` finds it; raises a MoorageError."""
    if permission == permissions.PUBLIC:
        return
    services = services_of(request)
    principal = await services.authenticator.authenticate(request.scope["headers"])
    request.state.principal = principal
    name = request.path_params.get("tenant")
    request.state.tenant = _authorized_tenant(services, principal, permission, name)


def _authorized_tenant(
    services: Services, principal: Principal, permission: str, name: str | None
) -> dict[str, Any] | None:
    """Return the Tenant of the path once the caller may do this there; None outside any tenant."""
    tenant = None if name is None else services.cache.tenant(name)
    if tenant is not None and services.writes.is_gone(tenant):
        tenant = None
    try:
        authorize(principal, permission, name, tenant)
    except NotFoundError as error:
        # Foreign and unknown must read the same, so both are unknown while the cluster cannot be asked.
        if not services.cache.connected:
            raise UnavailableError("The state of the cluster is not known now.") from error
        raise
    return tenant


def _demand_json(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != _JSON:
        raise UnsupportedMediaTypeError(f"The body must be {_JSON}.")


def _principal(request: Request) -> Principal:
    return cast("Principal", request.state.principal)


def _tenant(request: Request) -> dict[str, Any]:
    tenant = request.state.tenant
    if tenant is None:
        raise NotFoundError("There is no such tenant.")
    return cast("dict[str, Any]", tenant)


CurrentPrincipal = Annotated[Principal, Depends(_principal)]
"""Who calls; the guard has admitted them already."""
CurrentTenant = Annotated[dict[str, Any], Depends(_tenant)]
"""Manifest of the tenant in the path; the guard has checked that the caller may see it."""
