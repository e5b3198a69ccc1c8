"""Every route x every role x own and other tenant: generated from the routes, so that none is forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.routing import iter_route_contexts

from moorage_api.auth.routing import permission_of
from moorage_crds import permissions

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from fastapi import FastAPI

    from tests.support.api import Api

Headers = dict[str, str]

_TENANT_ROLES = ("viewer", "user", "developer", "admin")
_PLATFORM_ROLES = {"auditor": "auditor", "operator": "operator", "root": "admin"}


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    permission: str

    @property
    def in_tenant(self) -> bool:
        return "{tenant}" in self.path

    def url(self, tenant: str) -> str:
        return (
            self.path.replace("{tenant}", tenant)
            .replace("{user}", "nobody")
            .replace("{prefix}", "nothing0")
            .replace("{version}", "1")
            .replace("{model}", "nothing")
            .replace("{collection}", "nothing")
        )


def routes(app: FastAPI) -> list[Route]:
    found = []
    for each in iter_route_contexts(app.routes):
        assert each.endpoint is not None
        assert each.path is not None
        permission = permission_of(each.endpoint)
        assert permission is not None, each.path
        found += [Route(method, each.path, permission) for method in (each.methods or ())]
    return found


def expected(route: Route, persona: str, *, own: bool) -> int | None:
    """Return the status of the refusal, or None where the guard lets the call pass."""
    if route.permission == permissions.PUBLIC:
        return None
    if persona == "anonymous":
        return 401
    everywhere = permissions.PLATFORM_ROLES[_PLATFORM_ROLES.get(persona, "user")]
    if persona == "key" and _ends_sessions(route):
        return 403  # it has no session to end, and no power over the account
    if not route.in_tenant:
        return None if route.permission in everywhere | {permissions.SELF} else 403
    role = persona if own and persona in _TENANT_ROLES else None
    granted = everywhere | (permissions.TENANT_ROLES[role] if role else frozenset())
    if own and persona == "key":
        granted = frozenset({permissions.MODELS_READ})
    if not granted - {permissions.SELF}:
        return 404
    return None if route.permission in granted else 403


async def credentials(api: Api, name: str, tenant_of_kubectl: Callable[..., Any]) -> dict[str, Headers]:
    """Make two tenants, and one subject for every role in the first or on the platform."""
    members = [{"kind": "User", "name": f"{role}-of-{name}", "role": role} for role in _TENANT_ROLES]
    await tenant_of_kubectl(name, members=members)
    await tenant_of_kubectl(f"{name}-other")
    subjects = {role: await api.user(f"{role}-of-{name}") for role in _TENANT_ROLES}
    subjects |= {"stranger": await api.user("stranger")}
    subjects |= {persona: await api.user(persona, role) for persona, role in _PLATFORM_ROLES.items()}  # type: ignore[arg-type]  # literals
    headers = {persona: await api.signed_in(subject) for persona, subject in subjects.items()}
    own = api.services.cache.tenant(name)
    assert own is not None
    return headers | {"key": await api.api_key(subjects["admin"], own, permissions.MODELS_READ)}


@pytest.mark.timeout(300)
async def test_every_route_answers_every_role_as_its_permission_says(
    api: Api, name: str, tenant_of_kubectl: Callable[..., Any]
) -> None:
    held: dict[str, Headers] = {"anonymous": {}}
    held |= await credentials(api, name, tenant_of_kubectl)
    wrong = []
    checked = 0
    for route in sorted(routes(api.app), key=_ends_sessions):
        for persona, headers in held.items():
            for own in (True, False) if route.in_tenant else (True,):
                answer = await _call(api, route, route.url(name if own else f"{name}-other"), headers)
                wanted = expected(route, persona, own=own)
                checked += 1
                if not _fits(answer, wanted):
                    wrong.append(f"{answer.request.method} {answer.request.url} as {persona}: {answer}, not {wanted}")

    assert wrong == []
    assert checked > 20 * len(held)


def _ends_sessions(route: Route) -> bool:
    return route.path.endswith("/logout")


async def _call(api: Api, route: Route, url: str, headers: Headers) -> httpx.Response:
    """Call a route so that nothing is changed where the guard lets the call pass: an empty object, a tag of nothing."""
    body: dict[str, Any] | None = {} if route.method in {"POST", "PUT"} else None
    return await api.client.request(route.method, url, headers={**headers, "If-Match": '"never.0"'}, json=body)


def _fits(answer: httpx.Response, wanted: int | None) -> bool:
    if wanted is not None:
        return answer.status_code == wanted
    # Past the guard anything may be missing or invalid, but the tenant itself is known.
    return answer.status_code not in {401, 403} and "There is no tenant" not in answer.text
