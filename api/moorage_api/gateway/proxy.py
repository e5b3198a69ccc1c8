"""The HTTP client towards Triton: one pool of connections, one count of requests in flight per replica.

Separate from the service because it knows sockets and nothing of tenants. Bodies pass unparsed; aiohttp frames them
with Content-Length, as chunked requests have overflowed Triton's stack (CVE-2025-23310).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Final

import aiohttp
from yarl import URL

from moorage_api.gateway.routing import Replica
from moorage_crds import names

_CONNECT_SECONDS: Final = 2.0
_IDLE_SECONDS: Final = 3
"""How long an idle connection stays open; less than the pod's preStop, since a Triton that shall end waits for it."""
_SILENT_HEADERS: Final = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
"""Headers that aiohttp would add by itself; Triton sees the client's or none."""


_AT_ONCE: Final = 512 * 1024
"""Larger bodies are written piece by piece: at once, they would keep every other request waiting."""


class NotSentError(Exception):
    """No connection came about, so nothing of the request was sent; another replica may be asked."""


class BrokenError(Exception):
    """The connection broke after the request may have been sent."""


class LateError(Exception):
    """No answer within the time limit."""


def address_of(replica: Replica) -> str:
    """Return host and port of a replica's Triton."""
    host = f"[{replica.address}]" if ":" in replica.address else replica.address
    return f"{host}:{names.TRITON_HTTP_PORT}"


def _framed(body: bytes | None) -> bytes | BytesIO | None:
    """Return the body in the form that aiohttp sends with Content-Length and without holding up the event loop."""
    return BytesIO(body) if body is not None and len(body) > _AT_ONCE else body


class Proxy:
    """Sends requests to replicas.

    Args:
        timeout: Seconds from the first byte sent to the last one received.
        address: Where a replica listens; another one than ``address_of`` is for clusters that are not real.
    """

    def __init__(self, timeout: float = 30.0, address: Callable[[Replica], str] = address_of) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=_CONNECT_SECONDS)
        self._address = address
        self._session: aiohttp.ClientSession | None = None
        self._flying: Counter[str] = Counter()

    def in_flight(self, uid: str) -> int:
        """Return how many requests this process waits for on a pod."""
        return self._flying[uid]

    async def open(self) -> None:
        """Open the pool; needs a running event loop."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, use_dns_cache=False, keepalive_timeout=_IDLE_SECONDS),
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=_SILENT_HEADERS,
        )

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def exchange(
        self, replica: Replica, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send one request and yield the answer with its body unread.

        Raises:
            NotSentError, BrokenError, LateError: See there; also from reading the body inside the context.
        """
        if self._session is None:
            raise NotSentError("the gateway is not open")
        self._flying[replica.uid] += 1
        try:
            url = URL(f"http://{self._address(replica)}{path}", encoded=True)
            async with self._session.request(
                method, url, headers=headers, data=_framed(body), allow_redirects=False
            ) as response:
                yield response
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotSentError from error
        except TimeoutError as error:
            raise LateError from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise BrokenError from error
        finally:
            self._landed(replica.uid)

    def _landed(self, uid: str) -> None:
        self._flying[uid] -= 1
        if not self._flying[uid]:
            del self._flying[uid]  # pods come and go; their counts must not stay
