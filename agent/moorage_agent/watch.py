"""Keep a copy of the namespace's revisions: list, then watch, list again when the watch has lost its place.

Separate because everything else asks one question only: what is wanted now, if it is known at all.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Any

from moorage_agent import revisions
from moorage_agent.errors import KubeError
from moorage_agent.kube import GONE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from moorage_agent.kube import Kube
    from moorage_agent.metrics import Metrics
    from moorage_agent.revisions import Revision

_LONGEST_DELAY = 30.0
_SHORTEST_DELAY = 0.1
"""Between two watches, so that a server that ends each at once is not asked without a pause."""

log = logging.getLogger(__name__)


class RevisionWatch:
    """The revisions of the namespace, by Triton name."""

    def __init__(self, kube: Kube, changed: Callable[[], None], metrics: Metrics) -> None:
        self._kube = kube
        self._changed = changed
        self._metrics = metrics
        self._by_name: dict[str, Revision] | None = None
        self._version: str | None = None

    @property
    def desired(self) -> Mapping[str, Revision] | None:
        """Return the newest known revisions; None until the API server has answered once.

        While it is away the last answer stands: nothing is unloaded because nobody could be asked.
        """
        return self._by_name

    async def run(self) -> None:
        """Follow for ever."""
        delay = _SHORTEST_DELAY
        while True:
            try:
                await self._follow()
                delay = _SHORTEST_DELAY
            except KubeError as error:
                delay = min(max(delay, 0.25) * 2, _LONGEST_DELAY)
                if error.status == GONE:
                    self._version, delay = None, _SHORTEST_DELAY
                log.warning("revisions are not watched, again in %.1f s: %s", delay, error)
            await asyncio.sleep(delay * random.uniform(0.8, 1.2))  # noqa: S311 # jitter, no secret

    async def _follow(self) -> None:
        if self._version is None:
            await self._list()
        async for event in self._kube.watch_revisions(self._version or ""):
            self._take(event["type"], event["object"])

    async def _list(self) -> None:
        """Replace everything, so that what was deleted unseen is gone."""
        found: dict[str, Revision] = {}
        version = ""
        async for items, listed in self._kube.list_revisions():
            version = listed
            found |= {revision.triton_name: revision for revision in map(revisions.parse, items) if revision}
        self._by_name, self._version = found, version
        self._metrics.relists.inc()
        self._changed()

    def _take(self, kind: str, manifest: dict[str, Any]) -> None:
        self._version = manifest["metadata"]["resourceVersion"]
        if kind == "BOOKMARK" or self._by_name is None:
            return
        revision = revisions.parse(manifest)
        if revision is None:
            return
        if kind == "DELETED":
            self._by_name.pop(revision.triton_name, None)
        else:
            self._by_name[revision.triton_name] = revision
        self._changed()
