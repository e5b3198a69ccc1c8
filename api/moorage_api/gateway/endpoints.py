"""The gateway's routes as the OpenAPI document shows them, built from the same table as the dispatcher.

The dispatcher runs ahead of the router, so these are reached only in an application without it; they then answer by
the very same code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from moorage_api.auth.routing import require_permission
from moorage_api.errors import RESPONSES
from moorage_api.gateway.dispatch import gateway_of, serve
from moorage_api.gateway.table import GATEWAY_ROUTES, GatewayRoute

_TENSORS: Final[dict[str, Any]] = {
    "application/json": {"schema": {"type": "object", "title": "InferenceRequest"}},
    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
}
"""Bodies of the Open Inference Protocol; with binary tensors a JSON head comes first, its length in a header."""


class _Passing(Response):
    """A response that the gateway writes by itself."""

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request."""
        await serve(gateway_of, scope, receive, send)


def gateway_router() -> APIRouter:
    """Return the documented routes of the whole table."""
    router = APIRouter(tags=["gateway"], responses=RESPONSES)
    for route in GATEWAY_ROUTES:
        router.add_api_route(
            route.path,
            _endpoint(route),
            methods=[route.method],
            name=_name(route),
            summary=route.summary,
            response_class=Response,
            openapi_extra=_documentation(route),
        )
    return router


def _endpoint(route: GatewayRoute) -> Callable[[], Coroutine[Any, Any, Response]]:
    @require_permission(route.permission)
    async def endpoint() -> Response:
        return _Passing()

    endpoint.__name__ = _name(route)
    return endpoint


def _name(route: GatewayRoute) -> str:
    """Return a name such as ``gateway_v2_models_model_infer``."""
    words = re.findall(r"[a-z0-9]+", route.template)
    return "_".join(["gateway", *words])


def _documentation(route: GatewayRoute) -> dict[str, Any]:
    placeholders = re.findall(r"{(\w+)}", route.path)
    extra: dict[str, Any] = {
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in placeholders
        ]
    }
    if route.method == "POST":
        extra["requestBody"] = {"required": True, "content": _TENSORS}
    return extra
