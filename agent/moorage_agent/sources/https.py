"""Sources at an ``https://`` address: an archive or one model file, proven by its SHA-256.

Separate as every scheme is. Redirects are followed here and not by aiohttp, so that each hop is checked.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from yarl import URL

from moorage_agent.errors import FetchError
from moorage_agent.sources import outside, settling

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import aiohttp

    from moorage_agent.sources.budget import Budget
    from moorage_agent.sources.credentials import Credentials, Keyring
    from moorage_agent.sources.outside import Outside, Visit
    from moorage_crds.modeldeployment import Source

_MAX_REDIRECTS = 5
_REDIRECTS = {301, 302, 303, 307, 308}


class Https:
    """Downloads over TLS from addresses that the rules allow."""

    def __init__(self, outside: Outside, keyring: Keyring) -> None:
        self._outside = outside
        self._keyring = keyring

    async def fetch(self, source: Source, into: Path, budget: Budget) -> None:
        """Download, compare the digest, unpack an archive or move a single file into place."""
        url = URL(source.uri or "")
        download = into.with_name(f"{into.name}.download")
        try:
            headers = _headers(await self._keyring.of(source), url)
            async with self._outside.visit(url.host or "", budget.reach) as visit:
                digest = await _download(visit, url, headers, download, budget)
                settling.compare(digest, source.sha256)
                await asyncio.to_thread(settling.settle, download, url.name, into, budget)
        finally:
            budget.cancelled = True  # Stops the thread where the waiting for it was cancelled.
            download.unlink(missing_ok=True)


async def _download(visit: Visit, url: URL, headers: Mapping[str, str], path: Path, budget: Budget) -> str:
    """Write what the address answers to ``path`` and return its SHA-256.

    The headers, which may hold a password, go no further than the first redirect to another server.
    """
    for _ in range(_MAX_REDIRECTS + 1):
        async with visit.get(url, headers) as response:
            if response.status in _REDIRECTS:
                last, url = url, _target(url, response)
                headers = headers if _server(url) == _server(last) else {}
                continue
            outside.check_status(url.host or "", response.status)
            return await outside.save(response, path, budget)
    raise FetchError(f"{url.host}: more than {_MAX_REDIRECTS} redirects")


def _server(url: URL) -> tuple[str, str | None, int | None]:
    return url.scheme, url.host, url.port


def _headers(credentials: Credentials | None, url: URL) -> Mapping[str, str]:
    if credentials is None:
        return {}
    credentials.check(url)
    return {"Authorization": credentials.authorization()}


def _target(url: URL, response: aiohttp.ClientResponse) -> URL:
    try:
        return url.join(URL(response.headers["Location"]))
    except (KeyError, ValueError) as error:
        raise FetchError(f"{url.host} redirects to no address") from error
