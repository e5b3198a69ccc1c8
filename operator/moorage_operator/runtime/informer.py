"""One list+watch that keeps a cache true.

Separate from the cache, which has the rules, because this has the waiting: pages, bookmarks, silence, back-off, and
the list anew when the API server has forgotten the version we stopped at.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Any

from moorage_operator.runtime import apierrors
from moorage_operator.runtime.log import fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from moorage_operator.runtime.cache import Cache, Change
    from moorage_operator.runtime.client import WatchApi
    from moorage_operator.runtime.clock import Clock
    from moorage_operator.runtime.watched import Watched

PAGE = 100
"""Objects per page of a list. Pages of 500 left 154 MiB resident after the start at 1,000 tenants, pages of 100 126."""
INACTIVITY = 90.0
"""Seconds without a byte until a watch counts as dead; the API server sends a bookmark about every 60 s."""
SHORTEST_WATCH, LONGEST_WATCH = 300, 600
"""Bounds of a watch's life in seconds, drawn anew each time so that reconnects spread out."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
"""Bounds of the back-off between failed attempts, in seconds."""
PATIENCE = 5
"""Answered refusals to resume a watch in a row before everything is listed anew: a store put back to a backup refuses
our version with an error that looks like any other. An API server that is away refuses nothing."""

_log = logging.getLogger(__name__)


class Informer:
    """Keeps ``cache`` true and calls ``on_change`` for each change of it, until cancelled.

    ``lists`` bounds how many kinds are listed at the same time: a list is decoded page by page, and few at a time keep
    the peak of memory low.
    """

    def __init__(
        self,
        *,
        watched: Watched,
        cache: Cache,
        client: WatchApi,
        on_change: Callable[[Change], None],
        clock: Clock,
        lists: asyncio.Semaphore,
        page: int = PAGE,
        inactivity: float = INACTIVITY,
    ) -> None:
        self.watched = watched
        self.cache = cache
        self.synced = asyncio.Event()
        self._client = client
        self._on_change = on_change
        self._clock = clock
        self._lists = lists
        self._page = page
        self._inactivity = inactivity
        self._listed = False
        self._failures = 0
        self._refusals = 0
        self._contact = clock.monotonic()

    @property
    def age(self) -> float:
        """Return for how many seconds nothing has been heard from the API server."""
        return self._clock.monotonic() - self._contact

    async def run(self) -> None:
        """List and watch until cancelled; an error is waited out and never ends it."""
        while True:
            try:
                await self._turn()
            except apierrors.GoneError as error:
                self._listed = False
                await self._pause(error)
            except apierrors.ApiError as error:
                await self._pause(error)

    async def _turn(self) -> None:
        if not self._listed:
            await self._list()
        began = self._clock.monotonic()
        await self._watch()
        if self._clock.monotonic() - began < 1:
            raise apierrors.ServerError(f"WATCH {self.watched.name}: ended at once")
        self._failures = self._refusals = 0

    async def _pause(self, error: apierrors.ApiError) -> None:
        """Wait before the next attempt; the first failure after good times costs no wait, so that drift stays short."""
        self._failures += 1
        if not isinstance(error, apierrors.UnreachableError):
            self._refusals += 1
        if self._refusals >= PATIENCE:
            self._listed = False
            self._refusals = 0
        seconds = 0.0 if self._failures == 1 else min(FIRST_PAUSE * 2.0 ** min(self._failures - 2, 16), LONGEST_PAUSE)
        if isinstance(error, apierrors.TooManyRequestsError):
            seconds = max(seconds, error.retry_after)
        _log.warning("watch failed", extra=fields(kind=self.watched.name, error=str(error), pause=round(seconds, 1)))
        await self._clock.sleep(seconds * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, guards nothing

    async def _list(self) -> None:
        """Take everything anew; a continue token that expires on the way begins it again, by GoneError."""
        async with self._lists:
            params = {"limit": str(self._page), **self.watched.selectors}
            answer = await self._client.request("GET", self.watched.path, params=params)
            listing = self.cache.listing(int(answer["metadata"]["resourceVersion"]))
            self._tell(listing.page(self._items(answer)))
            while token := answer["metadata"].get("continue"):
                answer = await self._client.request("GET", self.watched.path, params={**params, "continue": token})
                self._tell(listing.page(self._items(answer)))
            self._tell(listing.finish())
        self._contact = self._clock.monotonic()
        self._listed = True
        self.synced.set()

    def _items(self, answer: dict[str, Any]) -> Iterable[dict[str, Any]]:
        """Yield a page's objects with the kind that lists leave out, letting go of each as it is taken."""
        kind = {"apiVersion": self.watched.resource.api_version, "kind": self.watched.resource.kind}
        items = answer.pop("items", None) or []
        items.reverse()
        while items:
            yield {**kind, **items.pop()}

    async def _watch(self) -> None:
        params = {
            "resourceVersion": str(self.cache.progress),
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(random.randint(SHORTEST_WATCH, LONGEST_WATCH)),  # noqa: S311 - as above
            **self.watched.selectors,
        }
        async for event in self._client.watch(self.watched.path, params, self._inactivity):
            self._heard()
            self._take(event["type"], event["object"])

    def _take(self, kind: str, manifest: dict[str, Any]) -> None:
        match kind:
            case "ADDED" | "MODIFIED":
                self._tell([self.cache.observe(manifest)])
            case "DELETED":
                self._tell([self.cache.deleted(manifest)])
            case "BOOKMARK":
                self.cache.reached(int(manifest["metadata"]["resourceVersion"]))
            case _:
                raise apierrors.from_watch(f"WATCH {self.watched.name}", manifest)

    def _tell(self, changes: Iterable[Change | None]) -> None:
        for change in changes:
            if change is not None and change.is_visible:
                self._on_change(change)

    def _heard(self) -> None:
        self._failures = self._refusals = 0
        self._contact = self._clock.monotonic()
