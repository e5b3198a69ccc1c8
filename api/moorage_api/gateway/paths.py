"""From a request's path to a route of the table. Pure; no name leaves here unchecked.

A path below the gateway's part of a tenant is never handed on to the router: what the table does not know is refused
here, in words that ``tritonclient`` understands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from moorage_api.gateway.errors import InvalidPathError, MethodRefusedError
from moorage_api.gateway.table import API_BASE, GATEWAY_ROUTES, GatewayRoute
from moorage_crds.errors import NotFoundError
from moorage_crds.names import MODEL_NAME_MAX, TENANT_NAME_MAX

_PREFIX: Final = f"{API_BASE}/tenants/"
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_VERSION: Final = re.compile(r"[1-9][0-9]{0,17}")
_ROOT: Final = "v2"


@dataclass(frozen=True)
class Call:
    """A request of the gateway: its route, and the checked names in its path."""

    route: GatewayRoute
    tenant: str
    model: str | None = None
    version: str | None = None

    def upstream(self, triton_name: str = "") -> str:
        """Return the path to ask Triton for."""
        return self.route.upstream.format(model=triton_name, version=self.version)


def match(method: str, path: str, raw_path: bytes) -> Call | None:
    """Return the call, or None for a path that is not the gateway's.

    Args:
        method: HTTP method.
        path: Decoded path.
        raw_path: Path as it came; an escape in it can only hide something, as no name here needs one.

    Raises:
        InvalidPathError: An escape, or a name that breaks its rule.
        NotFoundError: A path below the gateway that no route has.
        MethodRefusedError: A route of the table with another method.
    """
    segments = path.removeprefix(_PREFIX).split("/") if path.startswith(_PREFIX) else []
    if segments[1:2] != [_ROOT]:
        return None
    if b"%" in raw_path:
        raise InvalidPathError("path: expected no percent-encoding, as no tenant or model name needs any")
    tenant = _label("tenant", segments[0], TENANT_NAME_MAX)
    found = [(route, values) for route in _BY_LENGTH.get(len(segments) - 1, ()) if (values := _bind(route, segments))]
    if not found:
        raise NotFoundError(f"no route {method} {_shown(path)} on the gateway")
    for route, values in found:
        if route.method == method:
            return _call(route, tenant, values)
    raise MethodRefusedError({route.method for route, _ in found})


def _call(route: GatewayRoute, tenant: str, values: Mapping[str, str]) -> Call:
    model, version = values.get("model"), values.get("version")
    if model is not None:
        _label("model", model, MODEL_NAME_MAX)
    if version is not None and not _VERSION.fullmatch(version):
        raise InvalidPathError(f"version: expected a whole number from 1, not {_shown(version)!r}")
    return Call(route, tenant, model, version)


def _bind(route: GatewayRoute, segments: list[str]) -> dict[str, str] | None:
    """Return what stands for the template's placeholders, with ``""`` for the tenant so that a match is never empty."""
    values = {"": segments[0]}
    for part, segment in zip(route.template.split("/"), segments[1:], strict=True):
        if part.startswith("{"):
            values[part[1:-1]] = segment
        elif part != segment:
            return None
    return values


def _label(field: str, value: str, longest: int) -> str:
    if len(value) > longest or not _LABEL.fullmatch(value):
        raise InvalidPathError(f"{field}: expected a DNS label of at most {longest} characters, not {_shown(value)!r}")
    return value


def _shown(value: str) -> str:
    return value.encode("ascii", "replace").decode()[:100]


def _by_length() -> dict[int, tuple[GatewayRoute, ...]]:
    lengths = {len(route.template.split("/")) for route in GATEWAY_ROUTES}
    return {
        length: tuple(route for route in GATEWAY_ROUTES if len(route.template.split("/")) == length)
        for length in lengths
    }


_BY_LENGTH: Final = _by_length()
