"""Stores that hang: they take neither more than their time nor more than their share of the workers."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from moorage_operator.runtime.clock import SystemClock
from moorage_operator.runtime.storeusers import AT_ONCE, StoreError, Stores, address_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def hanging() -> AsyncIterator[tuple[Stores, asyncio.Semaphore]]:
    """Run a server that takes requests and answers none; yields who talks to it, and what counts the requests."""
    met, end = asyncio.Semaphore(0), asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        met.release()
        await end.wait()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with Stores(SystemClock(), lambda _: f"http://127.0.0.1:{port}") as stores:
            yield stores, met
    finally:
        end.set()
        server.close()


async def test_stores_that_hang_keep_no_more_than_their_share_of_workers() -> None:
    async with hanging() as (stores, met):
        talks = [asyncio.create_task(stores.make(f"tenant-{at}", "root", "moorage-0")) for at in range(AT_ONCE)]
        for _ in talks:
            await met.acquire()
        with pytest.raises(StoreError, match="being talked to"):
            await stores.make("tenant-late", "root", "moorage-0")
        talks[0].cancel()
        await asyncio.wait(talks[:1])
        again = asyncio.create_task(stores.make("tenant-late", "root", "moorage-0"))
        await met.acquire()
        for talk in (again, *talks[1:]):
            talk.cancel()
        await asyncio.wait((again, *talks[1:]))


def test_a_store_is_asked_at_its_service() -> None:
    assert address_of("tenant-acme") == "http://weaviate.tenant-acme.svc:8080"
