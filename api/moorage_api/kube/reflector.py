"""List+watch of one kind into a store: raw JSON, bookmarks, resume, relist-and-replace on 410.

Separate from the cache so that one failing kind says so by itself. The client's own ``Watch`` is not used: it makes
model objects of every event and loses deletions that happened before a relist.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
import orjson
from kubernetes.aio.client import ApiClient

from moorage_api.kube.store import Store

_log = logging.getLogger(__name__)

_PAGE = 500
_REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=5)
_WATCH_SECONDS = (240, 300)
"""A watch ends by itself after a random time in this range, so that API replicas do not relist together."""
_SILENCE_SECONDS = 150
"""Bookmarks come about every minute; two missing ones mean a dead connection."""
_BACKOFF_SECONDS = (0.2, 10.0)


@dataclass(frozen=True)
class Resource:
    """What to list and watch."""

    path: str
    """Path of the collection, such as ``/api/v1/secrets``."""
    label_selector: str | None = None
    field_selector: str | None = None

    def query(self, **extra: str) -> list[tuple[str, str]]:
        """Return the query parameters, selectors included."""
        selectors = {"labelSelector": self.label_selector, "fieldSelector": self.field_selector}
        return [(key, value) for key, value in {**selectors, **extra}.items() if value]


class ExpiredError(Exception):
    """The resourceVersion is too old (410): everything must be listed again."""


class RefusedError(Exception):
    """The API server answered neither 200 nor 410."""


class Reflector:
    """Keeps one store equal to what the API server holds."""

    def __init__(self, api: ApiClient, resource: Resource, store: Store[Any]) -> None:
        self._api = api
        self._resource = resource
        self._store = store
        self._version: str | None = None
        self.listed = asyncio.Event()
        """Set once the first list is in the store."""
        self.connected = False
        """False while the API server does not answer; what is in the store is then old, not wrong."""

    async def run(self) -> None:
        """List and watch until cancelled; every failure is retried with back-off, nothing is ever dropped for it."""
        failures = 0
        while True:
            try:
                await self._round()
                failures = 0
            except ExpiredError:
                self._version = None
            except (aiohttp.ClientError, OSError, TimeoutError, RefusedError, ValueError) as error:
                failures += 1
                self._complain(error, failures)
            # After a watch that ended well too: a server that ends each at once must not be asked in a tight loop.
            await asyncio.sleep(_pause(failures))

    async def _round(self) -> None:
        if self._version is None:
            self._version = await self._list()
        async for event in self._events(self._version):
            self._take(event)

    async def _list(self) -> str:
        items: list[dict[str, Any]] = []
        token = ""
        while True:
            page = await self._page(token)
            items += page["items"]
            token = page["metadata"].get("continue", "")
            if not token:
                break
        version: str = page["metadata"]["resourceVersion"]
        self._store.replace(items, int(version))
        self.listed.set()
        return version

    async def _page(self, token: str) -> dict[str, Any]:
        response = await self._get(self._resource.query(**{"limit": str(_PAGE), "continue": token}), _REQUEST_TIMEOUT)
        async with response:
            body: dict[str, Any] = orjson.loads(await response.read())
            return body

    async def _events(self, version: str) -> AsyncIterator[dict[str, Any]]:
        seconds = random.uniform(*_WATCH_SECONDS)  # noqa: S311 - spreads load, guards nothing
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=_SILENCE_SECONDS)
        query = self._resource.query(
            watch="true", allowWatchBookmarks="true", resourceVersion=version, timeoutSeconds=str(int(seconds))
        )
        response = await self._get(query, timeout)
        self.connected = True
        async with response:
            async for line in response.content:
                yield orjson.loads(line)

    def _take(self, event: dict[str, Any]) -> None:
        manifest = event["object"]
        if event["type"] == "ERROR":
            raise _error_of(manifest.get("code", 0))
        if event["type"] != "BOOKMARK":
            self._store.apply(event["type"], manifest)
        self._version = manifest["metadata"]["resourceVersion"]

    async def _get(self, query: list[tuple[str, str]], limits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        method, url, headers, *_ = await self._api.param_serialize(
            "GET",
            self._resource.path,
            query_params=query,
            header_params={"Accept": "application/json"},
            auth_settings=["BearerToken"],
        )
        answer = await self._api.call_api(method, url, headers, _request_timeout=limits)
        response: aiohttp.ClientResponse = answer.response
        if response.status != HTTPStatus.OK:
            response.close()
            raise _error_of(response.status)
        return response

    def _complain(self, error: Exception, failures: int) -> None:
        """Say it once when the connection goes; an object's content never stands in these exceptions' types."""
        self.connected = False
        level = logging.WARNING if failures == 1 else logging.DEBUG
        _log.log(level, "list+watch of %s failed (%s); serving what is known", self._resource.path, _name(error))


def _error_of(status: int) -> Exception:
    return ExpiredError() if status == HTTPStatus.GONE else RefusedError(status)


def _name(error: Exception) -> str:
    return f"HTTP {error}" if isinstance(error, RefusedError) else type(error).__name__


def _pause(failures: int) -> float:
    shortest, longest = _BACKOFF_SECONDS
    ceiling = min(longest, shortest * 2 ** min(failures, 10))
    return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - spreads load, guards nothing
