"""Sources at an ``https://`` address: an archive or one model file, proven by its SHA-256.

Separate as every scheme is. Redirects are followed here and not by aiohttp, so that each hop is checked.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from typing import IO, TYPE_CHECKING

import aiohttp
from yarl import URL

from moorage_agent.errors import FetchError
from moorage_agent.sources import archive
from moorage_agent.sources.budget import MAX_SECONDS, Budget
from moorage_agent.sources.paths import safe_path
from moorage_agent.sources.resolving import CheckedResolver

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path

    from aiohttp.abc import AbstractResolver

    from moorage_agent.sources.addresses import AddressRules
    from moorage_crds.modeldeployment import Source

_CHUNK = 1 << 20
_MAX_REDIRECTS = 5
_REDIRECTS = {301, 302, 303, 307, 308}
_OK = 200
_STALL_SECONDS = 30.0
_CONNECT_SECONDS = 10.0
# The digest is of the bytes as stored: a server must not compress them once more.
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "moorage-agent"}


class Https:
    """Downloads over TLS from addresses that the rules allow."""

    def __init__(
        self,
        rules: AddressRules,
        tls: ssl.SSLContext,
        resolver: Callable[[], AbstractResolver] = aiohttp.DefaultResolver,
        seconds: float = MAX_SECONDS,
    ) -> None:
        self._rules = rules
        self._tls = tls
        self._resolver = resolver
        self._seconds = seconds

    async def fetch(self, source: Source, into: Path, budget: Budget) -> None:
        """Download, compare the digest, unpack an archive or move a single file into place."""
        url = URL(source.uri or "")
        download = into.with_name(f"{into.name}.download")
        try:
            async with asyncio.timeout(self._seconds):
                digest = await self._download(url, download, budget)
                _compare(digest, source.sha256)
                await asyncio.to_thread(_settle, download, url, into, budget)
        except TimeoutError as error:
            raise FetchError(f"{url.host} did not deliver within its time") from error
        except aiohttp.ClientError as error:
            raise FetchError(_reason(url, error)) from error
        finally:
            budget.cancelled = True  # Stops the thread where the waiting for it was cancelled.
            download.unlink(missing_ok=True)

    async def _download(self, url: URL, path: Path, budget: Budget) -> str:
        """Write what the address answers to ``path`` and return its SHA-256."""
        resolver = CheckedResolver(self._resolver(), self._rules)
        connector = aiohttp.TCPConnector(resolver=resolver, ssl=self._tls, use_dns_cache=False)
        timeout = aiohttp.ClientTimeout(total=None, connect=_CONNECT_SECONDS, sock_read=_STALL_SECONDS)
        async with aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            headers=_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        ) as session:
            for _ in range(_MAX_REDIRECTS + 1):
                self._rules.check_url(url)
                async with session.get(url, allow_redirects=False) as response:
                    if response.status in _REDIRECTS:
                        url = _target(url, response)
                        continue
                    return await _save(url, response, path, budget)
        raise FetchError(f"{url.host}: more than {_MAX_REDIRECTS} redirects")


def _target(url: URL, response: aiohttp.ClientResponse) -> URL:
    try:
        return url.join(URL(response.headers["Location"]))
    except (KeyError, ValueError) as error:
        raise FetchError(f"{url.host} redirects to no address") from error


async def _save(url: URL, response: aiohttp.ClientResponse, path: Path, budget: Budget) -> str:
    if response.status != _OK:
        raise FetchError(f"{url.host} answered {response.status}")
    digest = hashlib.sha256()

    def absorb(file: IO[bytes], chunk: bytes) -> None:
        budget.spend(size=len(chunk))
        digest.update(chunk)
        file.write(chunk)

    with await asyncio.to_thread(path.open, "wb") as file:
        async for chunk in response.content.iter_chunked(_CHUNK):
            await asyncio.to_thread(absorb, file, chunk)
    return digest.hexdigest()


def _compare(digest: str, expected: str | None) -> None:
    if digest != expected:
        raise FetchError(f"expected SHA-256 {expected}, got {digest}")


def _settle(download: Path, url: URL, into: Path, budget: Budget) -> None:
    kind = archive.kind(url.name, download)
    if kind is None:
        shutil.move(download, into / (safe_path(url.name).name or "model"))
    else:
        archive.unpack(kind, download, into, budget)


def _reason(url: URL, error: aiohttp.ClientError) -> str:
    """Say what went wrong without the address, which may hold a signature."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"{url.host}: the name does not resolve"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"{url.host}: the certificate is not trusted"
    return f"{url.host}: the connection failed ({type(error).__name__})"
