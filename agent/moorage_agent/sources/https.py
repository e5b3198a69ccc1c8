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
    from pathlib import Path

    import aiohttp

    from moorage_agent.sources.budget import Budget
    from moorage_agent.sources.outside import Outside
    from moorage_crds.modeldeployment import Source

_MAX_REDIRECTS = 5
_REDIRECTS = {301, 302, 303, 307, 308}


class Https:
    """Downloads over TLS from addresses that the rules allow."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    async def fetch(self, source: Source, into: Path, budget: Budget) -> None:
        """Download, compare the digest, unpack an archive or move a single file into place."""
        url = URL(source.uri or "")
        download = into.with_name(f"{into.name}.download")
        try:
            async with self._outside.session(url.host or "") as session:
                digest = await self._download(session, url, download, budget)
                settling.compare(digest, source.sha256)
                await asyncio.to_thread(settling.settle, download, url.name, into, budget)
        finally:
            budget.cancelled = True  # Stops the thread where the waiting for it was cancelled.
            download.unlink(missing_ok=True)

    async def _download(self, session: aiohttp.ClientSession, url: URL, path: Path, budget: Budget) -> str:
        """Write what the address answers to ``path`` and return its SHA-256."""
        for _ in range(_MAX_REDIRECTS + 1):
            self._outside.check(url)
            async with session.get(url, allow_redirects=False) as response:
                if response.status in _REDIRECTS:
                    url = _target(url, response)
                    continue
                outside.check_status(url.host or "", response.status)
                return await outside.save(response, path, budget)
        raise FetchError(f"{url.host}: more than {_MAX_REDIRECTS} redirects")


def _target(url: URL, response: aiohttp.ClientResponse) -> URL:
    try:
        return url.join(URL(response.headers["Location"]))
    except (KeyError, ValueError) as error:
        raise FetchError(f"{url.host} redirects to no address") from error
