"""Connections to where sources lie: TLS, to addresses that the rules allow, bounded in time and bytes.

Separate because every scheme that leaves the pod goes through this one fence.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING

import aiohttp

from moorage_agent.errors import DeniedError, FetchError, SourceMissingError, UnreachableError
from moorage_agent.sources.budget import MAX_SECONDS
from moorage_agent.sources.resolving import CheckedResolver

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from aiohttp.abc import AbstractResolver
    from yarl import URL

    from moorage_agent.settings import Network
    from moorage_agent.sources.addresses import AddressRules
    from moorage_agent.sources.budget import Budget
    from moorage_agent.sources.proxy import Proxy

_CHUNK = 1 << 20
_OK = 200
_DENIED = {401, 403}
_MISSING = {404, 410}
_STALL_SECONDS = 30.0
_CONNECT_SECONDS = 4.0
"""For name, connection and TLS together: a server that is not there shows in status within 5 s."""
# Digests are of the bytes as stored: a server must not compress them once more.
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "moorage-agent"}


@dataclass(frozen=True, slots=True)
class Visit:
    """One fetch's way outside."""

    session: aiohttp.ClientSession
    """Connects to addresses that the rules allow."""
    tunnels: aiohttp.ClientSession
    """Connects to the proxy, wherever it is, and to nothing else."""
    rules: AddressRules
    proxy: Proxy | None

    def get(self, url: URL, headers: Mapping[str, str]) -> aiohttp.client._RequestContextManager:
        """Return the answer to a GET, redirects included: whoever follows one comes here again.

        Raises AddressRefusedError for an address that no resolver will see.
        """
        self.rules.check_url(url)
        host = url.host or ""
        if self.proxy is None or self.rules.opens(host) or not self.proxy.serves(host):
            return self.session.get(url, headers=headers, allow_redirects=False)
        self.proxy.check(url)
        return self.tunnels.get(url, headers=headers, allow_redirects=False, proxy=self.proxy.url)


class Outside:
    """The network beyond the pod, as far as the rules let a source see it."""

    def __init__(
        self,
        rules: AddressRules,
        tls: ssl.SSLContext,
        resolver: Callable[[], AbstractResolver] = aiohttp.DefaultResolver,
        seconds: float = MAX_SECONDS,
        proxy: Proxy | None = None,
    ) -> None:
        self._rules = rules
        self._tls = tls
        self._resolver = resolver
        self._seconds = seconds
        self._proxy = proxy

    @asynccontextmanager
    async def visit(self, host: str, reach: tuple[Network, ...]) -> AsyncIterator[Visit]:
        """Yield the way to ``host`` for one fetch, which may also lead to the ranges of ``reach``.

        What goes wrong on it is raised as FetchError.
        """
        rules = replace(self._rules, allowed=(*self._rules.allowed, *reach))
        resolver = CheckedResolver(self._resolver(), rules)
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._session(resolver) as session,
                self._session(self._resolver()) as tunnels,
            ):
                yield Visit(session, tunnels, rules, self._proxy)
        except TimeoutError as error:
            raise UnreachableError(f"{host} did not deliver within its time") from error
        except aiohttp.ClientError as error:
            raise UnreachableError(_reason(host, error)) from error

    def _session(self, resolver: AbstractResolver) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=resolver, ssl=self._tls, use_dns_cache=False),
            timeout=aiohttp.ClientTimeout(total=None, connect=_CONNECT_SECONDS, sock_read=_STALL_SECONDS),
            headers=_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )


def check_status(host: str, status: int) -> None:
    """Raise the FetchError that an answer's status calls for, none for 200."""
    if status == _OK:
        return
    kind = DeniedError if status in _DENIED else SourceMissingError if status in _MISSING else FetchError
    raise kind(f"{host} answered {status}")


async def save(response: aiohttp.ClientResponse, path: Path, budget: Budget) -> str:
    """Write an answer's body to ``path`` and return its SHA-256."""
    digest = hashlib.sha256()

    def absorb(file: IO[bytes], chunk: bytes) -> None:
        budget.spend(size=len(chunk))
        digest.update(chunk)
        file.write(chunk)

    # Opened here and not in a thread, whose file nobody would close when the waiting for it is cancelled.
    with path.open("wb") as file:
        async for chunk in response.content.iter_chunked(_CHUNK):
            await asyncio.to_thread(absorb, file, chunk)
    return digest.hexdigest()


def _reason(host: str, error: aiohttp.ClientError) -> str:
    """Say what went wrong without the address, which may hold a signature."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"{host}: the name does not resolve"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"{host}: the certificate is not trusted"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"{host}: the proxy answered {error.status}"
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"{host}: the proxy cannot be reached"
    return f"{host}: the connection failed ({type(error).__name__})"
