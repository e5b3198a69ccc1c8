"""Connections to tenants' stores: kept, replaced with the key, closed when unused, and honest when nobody answers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from moorage_api.vectors.backends.weaviate.pool import Address, Pool
from moorage_api.vectors.backends.weaviate.store import WeaviateStore
from moorage_crds.errors import UnavailableError
from tests.support import users, weaviate
from tests.support.weaviate import WeaviateServer


@pytest.fixture
async def pool(weaviate_server: WeaviateServer) -> AsyncIterator[Pool]:
    here = Address("127.0.0.1", weaviate_server.http_port, weaviate_server.grpc_port)
    made = Pool(lambda _: here, capacity=2)
    yield made
    await made.close()


async def test_a_tenants_client_is_used_again(pool: Pool, weaviate_server: WeaviateServer) -> None:
    async with pool.client("acme", weaviate_server.key) as first:
        pass
    async with pool.client("acme", weaviate_server.key) as second:
        assert second is first
        assert second.is_connected()


async def test_a_changed_key_gets_a_client_of_its_own_and_the_old_one_is_closed_after_use(
    pool: Pool, weaviate_server: WeaviateServer
) -> None:
    async with pool.client("acme", weaviate_server.key) as old:
        async with pool.client("acme", weaviate_server.next_key) as new:
            assert new is not old
        assert await WeaviateStore(old, "uid").collections() == []
    assert not old.is_connected()


async def test_the_client_longest_unused_goes_first(pool: Pool, weaviate_server: WeaviateServer) -> None:
    clients = []
    for tenant in ("a", "b", "c"):
        async with pool.client(tenant, weaviate_server.key) as client:
            clients.append(client)
    assert [client.is_connected() for client in clients] == [False, True, True]


async def test_a_refused_key_is_unavailable(pool: Pool) -> None:
    with pytest.raises(UnavailableError, match="refuses the tenant's key"):
        async with pool.client("acme", "of-another-tenant") as client:
            await WeaviateStore(client, "uid").collections()


async def test_a_store_older_than_the_rotation_is_reached_with_the_previous_key(
    pool: Pool, weaviate_server: WeaviateServer
) -> None:
    async with pool.client("acme", "not-yet-held", weaviate_server.key) as client:
        assert await WeaviateStore(client, "uid").collections() == []
    assert not client.is_connected()


async def test_a_store_newer_than_the_rotation_is_reached_with_the_current_key_and_that_client_is_kept(
    pool: Pool, weaviate_server: WeaviateServer
) -> None:
    async with pool.client("acme", weaviate_server.key, "held-no-more") as client:
        assert await WeaviateStore(client, "uid").collections() == []
    async with pool.client("acme", weaviate_server.key) as again:
        assert again is client


async def test_a_store_that_knows_neither_key_is_unavailable(pool: Pool) -> None:
    with pytest.raises(UnavailableError, match="refuses the tenant's key"):
        async with pool.client("acme", "current", "previous"):
            pass


async def test_requests_go_on_while_a_users_key_is_replaced_and_the_old_one_is_refused_afterwards(
    tmp_path: Path,
) -> None:
    with weaviate.running(tmp_path, "root-key") as server:
        here = Address("127.0.0.1", server.http_port, server.grpc_port)
        first = await users.make(server, "moorage-0")
        keys, answered, pool = [first], asyncio.Queue[None](), Pool(lambda _: here)

        async def ask() -> None:
            while True:
                async with pool.client("acme", *keys) as client:
                    assert await WeaviateStore(client, "uid").collections() == []
                answered.put_nowait(None)

        asking = asyncio.create_task(ask())
        for user in ("moorage-1", "moorage-2"):
            keys.insert(0, await users.make(server, user))
            await several(answered)
            await users.keep_only(server, user)
            await several(answered)
            keys.pop()
        assert not asking.done()
        asking.cancel()
        await asyncio.wait({asking})
        await pool.close()
        with pytest.raises(UnavailableError, match="refuses the tenant's key"):
            async with Pool(lambda _: here).client("acme", first):
                pass


async def several(answered: asyncio.Queue[None]) -> None:
    """Wait for answers that come from now on."""
    while not answered.empty():
        answered.get_nowait()
    for _ in range(3):
        await asyncio.wait_for(answered.get(), 30)


async def test_a_store_that_does_not_listen_is_unavailable() -> None:
    with socket.socket() as http, socket.socket() as grpc:
        for each in (http, grpc):
            each.bind(("127.0.0.1", 0))
        nowhere = Address("127.0.0.1", http.getsockname()[1], grpc.getsockname()[1])
    with pytest.raises(UnavailableError):
        async with Pool(lambda _: nowhere).client("acme", "key"):
            pass
