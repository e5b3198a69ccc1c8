"""Raw requests to the API server: JSON in, JSON out, errors as ``apierrors``.

Separate because it is the only place that knows HTTP. aiohttp and dicts alone: a typed client would cost 20 to 45 MiB
and ten times the decoding.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol, Self, TypedDict, Unpack

import aiohttp
import orjson

from moorage_crds.encoding import as_yaml
from moorage_operator.runtime import apierrors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from moorage_operator.runtime.connection import Connection

REQUEST_TIMEOUT = 30.0
"""Seconds for a whole request."""
CONNECT_TIMEOUT = 5.0
"""Seconds until a connection stands."""

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"

_DELETE = b"\x7f"
"""The one character of ASCII that JSON leaves alone and YAML does not know."""

Manifest = dict[str, Any]


class Options(TypedDict, total=False):
    """What a request may have besides method and path."""

    params: Mapping[str, str]
    body: Any
    """Anything but None is sent, as JSON."""
    content_type: str
    """Of the body, ``JSON`` by default."""
    seconds: float
    """For the whole request, ``REQUEST_TIMEOUT`` by default."""


class Api(Protocol):
    """What everything but the informers needs of a client."""

    async def request(self, method: str, path: str, **options: Unpack[Options]) -> Manifest:
        """Return the API server's answer to one request; raises ``apierrors.ApiError``."""


class WatchApi(Api, Protocol):
    """What an informer needs of a client."""

    def watch(self, path: str, params: Mapping[str, str], inactivity: float) -> AsyncIterator[Manifest]:
        """Yield the events of one watch until the API server ends it."""


class Client:
    """One pool of connections to the API server; use as ``async with Client(...)``.

    ``connections`` bounds sockets and requests under way alike: a burst waits here instead of becoming a stampede of
    TLS handshakes. Watches hold a connection for their whole life, so they get a client of their own.
    """

    def __init__(self, connection: Connection, connections: int) -> None:
        self._connection = connection
        self._slots = asyncio.Semaphore(connections)
        connector = aiohttp.TCPConnector(limit=connections, ssl=connection.tls(), keepalive_timeout=60)
        self._session = aiohttp.ClientSession(
            base_url=connection.server,
            connector=connector,
            headers={"User-Agent": "moorage-operator", "Accept": JSON},
        )

    async def __aenter__(self) -> Self:
        """Return the client itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def request(self, method: str, path: str, **options: Unpack[Options]) -> Manifest:
        """Return the API server's answer to one request; raises ``apierrors.ApiError``."""
        body, params = options.get("body"), options.get("params")
        content_type = options.get("content_type", JSON)
        headers = {"Content-Type": content_type} if body is not None else None
        content = None if body is None else encode(body, content_type)
        timeout = aiohttp.ClientTimeout(total=options.get("seconds", REQUEST_TIMEOUT), sock_connect=CONNECT_TIMEOUT)
        async with (
            self._slots,
            self._respond(method, path, params=params, data=content, headers=headers, timeout=timeout) as response,
        ):
            return decode(name_of(method, path), await response.read())

    async def watch(self, path: str, params: Mapping[str, str], inactivity: float) -> AsyncIterator[Manifest]:
        """Yield the events of one watch until the API server ends it.

        Raises UnreachableError when nothing, not even a bookmark, came for ``inactivity`` seconds: a connection that
        a middlebox dropped silently looks like a quiet one.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=inactivity)
        given = {**params, "watch": "true"}
        async with self._slots, self._respond("GET", path, params=given, timeout=timeout) as response:
            async for line in lines(response.content):
                yield orjson.loads(line)

    @asynccontextmanager
    async def _respond(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and hand out a successful response; anything else becomes an ApiError."""
        name = name_of(method, path)
        try:
            own = {**self._connection.headers(), **(headers or {})}
            async with self._session.request(method, path, headers=own, **options) as response:
                if not response.ok:
                    content = await response.read()
                    after = response.headers.get("Retry-After")
                    raise apierrors.from_response(name, response.status, content, after)
                yield response
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise apierrors.UnreachableError(f"{name}: {type(error).__name__}") from error


class Stream(Protocol):
    """A body that arrives in pieces."""

    def iter_any(self) -> AsyncIterator[bytes]:
        """Yield each piece as it comes."""


async def lines(content: Stream) -> AsyncIterator[bytes]:
    """Yield lines of any length; ``StreamReader.readline`` refuses those beyond its buffer of 128 KiB."""
    rest = bytearray()
    async for chunk in content.iter_any():
        *complete, last = chunk.split(b"\n")
        for line in complete:
            rest += line
            if rest:
                yield bytes(rest)
            rest = bytearray()
        rest += last


def encode(body: Any, content_type: str) -> bytes:
    """Return a body as JSON; an apply's is read as YAML, which takes but printable ASCII as JSON means it."""
    content = orjson.dumps(body)
    is_plain = content.isascii() and _DELETE not in content
    return content if is_plain or content_type != APPLY else as_yaml(body).encode()


def decode(request: str, content: bytes) -> Manifest:
    """Return a decoded answer; a proxy's page with status 200 is a failure of the server."""
    try:
        answer = orjson.loads(content)
    except ValueError as error:
        raise apierrors.ServerError(f"{request}: expected JSON, got {len(content)} bytes of something else") from error
    if not isinstance(answer, dict):
        raise apierrors.ServerError(f"{request}: expected an object, got {type(answer).__name__}")
    return answer


def name_of(method: str, path: str) -> str:
    """Return a request's name for messages: verb, then plural and object of the path."""
    parts = path.strip("/").split("/")[2 if path.startswith("/api/") else 3 :]
    match parts:
        case ["namespaces", namespace, plural, *rest]:
            return " ".join([method, plural, "/".join([namespace, *rest])])
        case [plural, *rest]:
            return " ".join([method, plural, *rest])
        case _:
            return f"{method} {path}"
