"""Fetching a revision's files: one module per scheme behind one protocol.

Separate so that a new scheme is a new file and one line in ``Sources``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from moorage_agent.errors import FetchError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from moorage_agent.sources.budget import Budget
    from moorage_crds.modeldeployment import Source

INLINE = "inline"


class Fetcher(Protocol):
    """Brings the files of one kind of source."""

    async def fetch(self, source: Source, into: Path, budget: Budget) -> None:
        """Write the source's files below the empty folder ``into``, within the budget.

        Raises FetchError or another MoorageError; what is left in ``into`` then is the caller's to remove.
        """


class Sources:
    """The fetcher of every scheme."""

    def __init__(self, fetchers: Mapping[str, Fetcher]) -> None:
        self._fetchers = fetchers

    async def fetch(self, source: Source, into: Path, budget: Budget) -> None:
        """Fetch a source with the fetcher of its scheme."""
        scheme = INLINE if source.inline else urlsplit(source.uri or "").scheme
        fetcher = self._fetchers.get(scheme)
        if fetcher is None:
            raise FetchError(f"expected a source of scheme {', '.join(self._fetchers)}; got {scheme!r}")
        await fetcher.fetch(source, into, budget)
