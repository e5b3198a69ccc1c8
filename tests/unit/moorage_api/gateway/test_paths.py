"""Which paths are the gateway's, and that no name passes unchecked."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from moorage_api.gateway import paths
from moorage_api.gateway.errors import InvalidPathError, MethodRefusedError
from moorage_api.gateway.table import GATEWAY_ROUTES, GatewayRoute
from moorage_crds.errors import NotFoundError

BASE = "/api/v1/tenants/acme"


def match(method: str, raw: str) -> paths.Call | None:
    return paths.match(method, unquote(raw), raw.encode())


@pytest.mark.parametrize("route", GATEWAY_ROUTES, ids=lambda route: f"{route.method} {route.template}")
def test_every_route_of_the_table_is_found(route: GatewayRoute) -> None:
    call = match(route.method, route.path.format(tenant="acme", model="sentiment", version="3"))
    assert call is not None
    assert call.route is route
    assert call.tenant == "acme"
    assert call.model == ("sentiment" if "{model}" in route.template else None)
    assert call.version == ("3" if "{version}" in route.template else None)


def test_the_upstream_path_carries_tritons_own_name() -> None:
    call = match("POST", f"{BASE}/v2/models/sentiment/versions/3/infer")
    assert call is not None
    assert call.upstream("sentiment--aaaaaaaa") == "/v2/models/sentiment--aaaaaaaa/versions/3/infer"


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/api/v1/tenants", BASE, f"{BASE}/models", f"{BASE}/collections/v2", f"{BASE}/v22"]
)
def test_other_paths_are_not_the_gateways(path: str) -> None:
    assert match("GET", path) is None


@pytest.mark.parametrize(
    "path",
    [
        f"{BASE}/v2/models/a%2fb/infer",
        f"{BASE}/v2/models/%2e%2e/infer",
        f"{BASE}/v2/models/../infer",
        f"{BASE}/v2/models//infer",
        f"{BASE}/v2/models/Sentiment/infer",
        f"{BASE}/v2/models/-a/infer",
        f"{BASE}/v2/models/{'a' * 55}/infer",
        f"{BASE}/v2/models/a%00/infer",
        f"{BASE}/v2/models/a\x00/infer",
        f"{BASE}/v2/models/a\n/infer",
        f"{BASE}/v2/models/a/versions/0/infer",
        f"{BASE}/v2/models/a/versions/x/infer",
        f"{BASE}/%76%32/models/a/infer",
        "/api/v1/tenants/ac%6de/v2/models/a/infer",
        "/api/v1/tenants/Acme/v2/models/a/infer",
        f"/api/v1/tenants/{'a' * 41}/v2/models/a/infer",
        "/api/v1/tenants//v2/models/a/infer",
    ],
)
def test_names_that_break_their_rule_are_refused(path: str) -> None:
    with pytest.raises(InvalidPathError):
        match("POST", path)


@pytest.mark.parametrize(
    "path",
    [f"{BASE}/v2/repository/index", f"{BASE}/v2/models/a/b/infer", f"{BASE}/v2/", f"{BASE}/v2/models/a/load"],
)
def test_what_the_table_does_not_know_is_not_handed_on(path: str) -> None:
    with pytest.raises(NotFoundError):
        match("POST", path)


def test_another_method_is_refused_with_the_ones_that_are() -> None:
    with pytest.raises(MethodRefusedError) as refused:
        match("DELETE", f"{BASE}/v2/models/a/infer")
    assert refused.value.allowed == "POST"
