"""The administrator who makes tenants, breaks children and counts requests.

Separate because it keeps account of its own requests: what the API server counted less these is what the operator
asked for. It is the operator's own HTTP client, so that a bare loop and the operator pay the same for a request.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp

from bench.operators.counts import Asked, Counts
from moorage_operator.runtime import client as http
from moorage_operator.runtime import connection, resources

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from localcluster.controlplane import ControlPlane

Manifest = dict[str, Any]

IN_FLIGHT = 32
"""Requests at the same time; more bring no more out of an API server on two cores."""
WATCHES = 4
INACTIVITY = 600.0
_BREATH = 0.05
"""Seconds between the end of a watch and the next."""
_FORCED = {"fieldManager": "bench", "force": "true"}


class Driver:
    """One administrator of one control plane."""

    def __init__(self, where: connection.Connection, client: http.Client, session: aiohttp.ClientSession) -> None:
        self._where = where
        self._client = client
        self._session = session
        self._asked: Counter[Asked] = Counter()

    async def create(self, manifest: Manifest) -> Manifest:
        """Create an object."""
        resource = resources.of(manifest)
        self._asked[Asked("POST", resource.plural)] += 1
        path = resource.path(manifest["metadata"].get("namespace"))
        return await self._client.request("POST", path, body=manifest)

    async def apply(self, manifest: Manifest) -> Manifest:
        """Apply an object on the server's side."""
        resource, metadata = resources.of(manifest), manifest["metadata"]
        self._asked[Asked("APPLY", resource.plural)] += 1
        path = resource.path(metadata.get("namespace"), metadata["name"])
        return await self._client.request("PATCH", path, params=_FORCED, body=manifest, content_type=http.APPLY)

    async def merge(self, manifest: Manifest, change: Manifest) -> Manifest:
        """Merge-patch an object."""
        resource, metadata = resources.of(manifest), manifest["metadata"]
        self._asked[Asked("PATCH", resource.plural)] += 1
        path = resource.path(metadata.get("namespace"), metadata["name"])
        return await self._client.request("PATCH", path, body=change, content_type=http.MERGE_PATCH)

    async def delete(self, manifest: Manifest) -> None:
        """Delete an object."""
        resource, metadata = resources.of(manifest), manifest["metadata"]
        self._asked[Asked("DELETE", resource.plural)] += 1
        await self._client.request("DELETE", resource.path(metadata.get("namespace"), metadata["name"]))

    async def list(self, resource: resources.Resource, label: str | None = None) -> Manifest:
        """Return a whole list."""
        params = {"labelSelector": label} if label else {}
        return await self._client.request("GET", resource.path(), params=params)

    async def watch(
        self, resource: resources.Resource, version: str, label: str | None = None
    ) -> AsyncIterator[tuple[str, Manifest]]:
        """Yield changes of a kind from a version on, for ever; a watch that the API server ends is taken up again."""
        selected = {"labelSelector": label} if label else {}
        while True:
            params = {"resourceVersion": version, **selected}
            async for event in self._client.watch(resource.path(), params, INACTIVITY):
                version = event["object"]["metadata"]["resourceVersion"]
                yield event["type"], event["object"]
            await asyncio.sleep(_BREATH)

    async def counts(self) -> Counts:
        """Return what everybody but this driver has asked for so far."""
        async with self._session.get("/metrics", headers=self._where.headers()) as answer:
            answer.raise_for_status()
            return Counts.parse(await answer.text()).without(self._asked)

    async def settle(self, quiet: float = 3.0, limit: float = 600.0) -> Counts:
        """Wait until nobody has written for ``quiet`` seconds and return the counts; raises TimeoutError."""
        async with asyncio.timeout(limit):
            seen = await self.counts()
            while True:
                await asyncio.sleep(quiet)
                now = await self.counts()
                if now.writes == seen.writes:
                    return now
                seen = now


@asynccontextmanager
async def driving(control: ControlPlane) -> AsyncIterator[Driver]:
    """Open a driver of a control plane."""
    where = connection.Connection(
        server=control.url, token=connection.Token(value=control.token), ca=control.authority.read_text()
    )
    connector = aiohttp.TCPConnector(ssl=where.tls())
    async with (
        http.Client(where, IN_FLIGHT + WATCHES) as client,
        aiohttp.ClientSession(where.server, connector=connector) as session,
    ):
        yield Driver(where, client, session)


async def each(work: Callable[[Any], Awaitable[Any]], items: Iterable[Any], in_flight: int = IN_FLIGHT) -> None:
    """Do some work for each item, so many at a time."""
    waiting = iter(items)

    async def one_after_another() -> None:
        for item in waiting:
            await work(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(one_after_another())
