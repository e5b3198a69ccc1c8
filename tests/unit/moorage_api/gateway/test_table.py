"""The dispatcher and the OpenAPI document speak of the same routes, with the same permissions."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.routing import APIRoute

from moorage_api.auth.routing import permission_of
from moorage_api.gateway.endpoints import gateway_router
from moorage_api.gateway.table import GATEWAY_ROUTES
from moorage_crds import permissions


def documented() -> list[APIRoute]:
    return [route for route in gateway_router().routes if isinstance(route, APIRoute)]


def test_every_route_is_documented_once_with_its_permission() -> None:
    assert [(route.methods, route.path, permission_of(route.endpoint)) for route in documented()] == [
        ({route.method}, route.path, route.permission) for route in GATEWAY_ROUTES
    ]


def test_only_inference_needs_the_right_to_infer() -> None:
    assert {route.permission for route in GATEWAY_ROUTES if route.method == "POST"} == {permissions.MODELS_INFER}
    assert {route.permission for route in GATEWAY_ROUTES if route.method == "GET"} == {permissions.MODELS_READ}


def test_the_document_names_every_part_of_the_path_and_every_refusal() -> None:
    app = FastAPI()
    app.include_router(gateway_router())
    paths = app.openapi()["paths"]
    infer = paths["/api/v1/tenants/{tenant}/v2/models/{model}/versions/{version}/infer"]["post"]
    assert [each["name"] for each in infer["parameters"]] == ["tenant", "model", "version"]
    assert set(infer["requestBody"]["content"]) == {"application/json", "application/octet-stream"}
    assert {"401", "403", "404", "503"} <= set(infer["responses"])
    names = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert len(names) == len(set(names)) == len(GATEWAY_ROUTES)
