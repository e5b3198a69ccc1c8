"""The API page names every route with its permission, every permission and every error code, and none besides."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

import moorage_api
from moorage_api import BASE_PATH, errors
from moorage_api.auth.routing import permission_of
from moorage_api.gateway.table import GATEWAY_ROUTES
from moorage_crds import permissions
from moorage_crds.errors import MoorageError

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
ROUTE = re.compile(r"^\| (GET|POST|PUT|PATCH|DELETE) \| `([^`]+)` \| `([^`]+)` \|", re.MULTILINE)
CODE = re.compile(r"^\| `([a-z-]+)` \| (\d{3}) \|", re.MULTILINE)
PERMISSION = re.compile(r"^\| `([a-z:]+)` \| ([A-Z][^|]+) \|$", re.MULTILINE)

Route = tuple[str, str, str]


def modules(name: str) -> Iterator[str]:
    """Yield the API's features that have a module of the name."""
    root = Path(moorage_api.__file__).parent
    yield from (f"moorage_api.{file.parent.name}.{name}" for file in sorted(root.glob(f"*/{name}.py")))


def routes() -> Iterator[Route]:
    for gateway in GATEWAY_ROUTES:
        yield gateway.method, gateway.path.removeprefix(BASE_PATH), gateway.permission
    for module in modules("endpoints"):
        router = getattr(importlib.import_module(module), "router", None)
        for route in [] if router is None else router.routes:
            assert isinstance(route, APIRoute)
            permission = permission_of(route.endpoint)
            assert permission, route.path
            for method in route.methods or ():
                yield method, route.path.removeprefix(BASE_PATH).replace(":path}", "}"), permission


def codes(cls: type[MoorageError] = MoorageError) -> Iterator[tuple[str, str]]:
    """Yield code and status of an error class and of those derived from it."""
    if "code" in vars(cls) and cls is not MoorageError:
        yield cls.code, str(next((errors.STATUS[one] for one in cls.__mro__ if one in errors.STATUS), 500).real)
    for derived in cls.__subclasses__():
        if derived.__module__.startswith(("moorage_crds", "moorage_api")):
            yield from codes(derived)


def test_every_route_is_documented_with_its_permission_and_no_other() -> None:
    assert sorted(ROUTE.findall(PAGE)) == sorted(set(routes()))


def test_every_permission_is_documented_in_the_words_of_the_vocabulary() -> None:
    assert dict(PERMISSION.findall(PAGE)) == permissions.DESCRIPTIONS


def test_every_error_code_is_documented_with_its_status() -> None:
    for module in modules("errors"):
        importlib.import_module(module)
    assert sorted(CODE.findall(PAGE)) == sorted(set(codes()))


@pytest.mark.parametrize("status", sorted({int(status) for _, status in CODE.findall(PAGE)}))
def test_a_documented_status_exists(status: int) -> None:
    assert HTTPStatus(status)
