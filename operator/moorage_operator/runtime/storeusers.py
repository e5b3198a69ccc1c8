"""Users of tenants' vector stores, made and removed over Weaviate's own HTTP API with the store's root key.

Separate because it is the operator's only talk with what a tenant owns. A store may be slow, gone or wrong: that is a
StoreError, which says neither a key nor what the store answered, and costs no other tenant more than a moment.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import aiohttp

from moorage_crds import names
from moorage_crds.errors import MoorageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from moorage_operator.runtime.clock import Clock

AT_ONCE: Final = 2
"""Stores that are talked to at the same time: those that hang must not keep the workers from other tenants."""
SECONDS: Final = 10.0
"""For everything that is asked of a store in one go."""
CONNECT_SECONDS: Final = 2.0
SETTLE: Final = 1.0
"""Seconds until each of several nodes knows of a user; 0.2 were measured, of three nodes on one machine."""

_OK, _CREATED, _NO_CONTENT, _NOT_FOUND, _CONFLICT = 200, 201, 204, 404, 409
_VERBS: Final = ("create", "read", "update", "delete")
_EVERY: Final = "*"
_PERMISSIONS: Final[list[dict[str, Any]]] = [
    *({"action": f"{verb}_collections", "collections": {"collection": _EVERY}} for verb in _VERBS),
    *(
        {"action": f"{verb}_data", "data": {"collection": _EVERY, "tenant": _EVERY, "object": _EVERY}}
        for verb in _VERBS
    ),
    *({"action": f"{verb}_tenants", "tenants": {"collection": _EVERY, "tenant": _EVERY}} for verb in _VERBS),
    {"action": "read_nodes", "nodes": {"verbosity": "minimal"}},
    {"action": "read_nodes", "nodes": {"verbosity": "verbose", "collection": _EVERY}},
    {"action": "read_cluster"},
]


class StoreError(MoorageError):
    """A tenant's vector store did not do what it was asked for; it is asked again."""

    code: ClassVar[str] = "store-error"


def address_of(namespace: str) -> str:
    """Return where the store of a tenant's namespace listens inside the cluster."""
    return f"http://{names.WEAVIATE}.{namespace}.svc:{names.WEAVIATE_HTTP_PORT}"


class Stores:
    """Talks to tenants' vector stores; use as ``async with Stores(clock)``.

    ``address`` says where a namespace's store listens; another one than ``address_of`` is for clusters that are not
    real.
    """

    def __init__(self, clock: Clock, address: Callable[[str], str] = address_of) -> None:
        self._clock = clock
        self._address = address
        self._busy = 0
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Make the session, which keeps no connection, and return the object itself."""
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=SECONDS, sock_connect=CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(force_close=True),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    async def make(self, namespace: str, root_key: str, user: str, *, is_replicated: bool = False) -> str:
        """Make a user with the API's role and return its key; a user that is there gets another key."""
        async with self._talk(namespace, root_key) as talk:
            role = {"name": names.WEAVIATE_ROLE, "permissions": _PERMISSIONS}
            await talk.ask("POST", "/v1/authz/roles", role, expected=(_CREATED, _CONFLICT))
            key = await _key(talk, user)
            assigned = {"roles": [names.WEAVIATE_ROLE], "userType": "db"}
            await talk.ask("POST", f"/v1/authz/users/{user}/assign", assigned)
            if is_replicated:
                await self._clock.sleep(SETTLE)
            return key

    async def keep_only(self, namespace: str, root_key: str, user: str) -> None:
        """Remove every user but one and the holder of the root key."""
        async with self._talk(namespace, root_key) as talk:
            _, found = await talk.ask("GET", "/v1/users/db")
            for other in _made(found):
                if other != user:
                    await talk.ask("DELETE", f"/v1/users/db/{other}", expected=(_NO_CONTENT, _NOT_FOUND))

    @asynccontextmanager
    async def _talk(self, namespace: str, root_key: str) -> AsyncIterator[_Talk]:
        """Talk to one store within its time; raises StoreError for whatever comes between."""
        if self._busy >= AT_ONCE or self._session is None:
            raise StoreError(f"store of {namespace}: {self._busy} others are being talked to")
        self._busy += 1
        try:
            async with asyncio.timeout(SECONDS):
                yield _Talk(self._session, self._address(namespace), root_key)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"store of {namespace}: {type(error).__name__}") from None
        finally:
            self._busy -= 1


class _Talk:
    """Requests to one store under its root key."""

    def __init__(self, session: aiohttp.ClientSession, address: str, root_key: str) -> None:
        self._session = session
        self._address = address
        self._headers = {"Authorization": f"Bearer {root_key}"}

    async def ask(
        self, method: str, path: str, body: Any = None, *, expected: tuple[int, ...] = (_OK,)
    ) -> tuple[int, Any]:
        """Return status and decoded answer; raises StoreError for a status that is not expected."""
        async with self._session.request(
            method, f"{self._address}{path}", json=body, headers=self._headers, allow_redirects=False
        ) as response:
            content = await response.read()
            if response.status not in expected:
                raise StoreError(f"{method} {path}: expected {expected}, got {response.status}")
            return response.status, json.loads(content) if content and response.status < _NOT_FOUND else None


async def _key(talk: _Talk, user: str) -> str:
    status, made = await talk.ask("POST", f"/v1/users/db/{user}", {}, expected=(_CREATED, _CONFLICT))
    if status == _CONFLICT:
        _, made = await talk.ask("POST", f"/v1/users/db/{user}/rotate-key")
    key: str = made["apikey"]
    if not key:
        raise StoreError(f"user {user}: expected a key, got none")
    return key


def _made(found: list[dict[str, Any]]) -> list[str]:
    """Return the users that were made while the store ran; the other is of its environment."""
    return [one["userId"] for one in found if one["dbUserType"] == "db_user"]
