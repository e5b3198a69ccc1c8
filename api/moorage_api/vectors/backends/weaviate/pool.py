"""Connections to tenants' Weaviates: one client each, kept while it is used, closed when it is not.

A client costs an HTTP and a gRPC channel, and connecting costs requests; a thousand idle tenants must cost neither.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import grpc
import httpx
from weaviate import WeaviateAsyncClient, use_async_with_custom
from weaviate.classes.init import AdditionalConfig, Auth, Timeout
from weaviate.config import GrpcConfig

from moorage_api.vectors.backends.weaviate.refusals import translated
from moorage_api.vectors.backends.weaviate.trust import Trust
from moorage_api.vectors.errors import KeyRefusedError
from moorage_crds import names

CAPACITY: Final = 128
"""Most clients that are kept; the one longest unused goes first."""
_CONNECT_SECONDS: Final = 10.0
_TIMEOUT: Final = Timeout(init=5, query=30, insert=120)


@dataclass(frozen=True)
class Address:
    """Where a Weaviate listens."""

    host: str
    http_port: int = names.WEAVIATE_HTTP_PORT
    grpc_port: int = names.WEAVIATE_GRPC_PORT
    grpc_host: str | None = None
    """Host of its gRPC API where that is another."""
    is_secure: bool = False
    """Whether both speak TLS."""


def address_of(tenant: str) -> Address:
    """Return the address of a tenant's Weaviate inside the cluster."""
    return Address(f"{names.WEAVIATE}.{names.tenant_namespace(tenant)}.svc")


@dataclass
class _Pooled:
    """A client, who uses it, and the address and key it was made with."""

    client: WeaviateAsyncClient
    address: Address
    key: str | None = field(repr=False)
    users: int = 0
    retired: bool = False


class Pool:
    """Clients by tenant.

    Args:
        address: Where a tenant's Weaviate listens; another one than ``address_of`` is for clusters that are not real.
        capacity: Most clients that are kept.
        trust: Whom stores that speak TLS may be certified by.
    """

    def __init__(
        self,
        address: Callable[[str], Address] = address_of,
        capacity: int = CAPACITY,
        trust: Trust | None = None,
    ) -> None:
        self._address = address
        self._capacity = capacity
        self._trust = trust or Trust.of()
        self._pooled: OrderedDict[str, _Pooled] = OrderedDict()

    @asynccontextmanager
    async def client(
        self, tenant: str, key: str | None, *previous: str, address: Address | None = None
    ) -> AsyncIterator[WeaviateAsyncClient]:
        """Lend the tenant's client; a changed key or address gets a new one. Raises UnavailableError.

        ``previous`` keys are tried where the current one is refused: the store may not know of the last rotation yet.
        Such a client is not kept, as it soon will. Without a key the client says nothing of itself.
        """
        pooled = await self._take(tenant, address or self._address(tenant), key, previous)
        try:
            yield pooled.client
        finally:
            pooled.users -= 1
            await _close_if_done(pooled)

    async def close(self) -> None:
        """Close every client."""
        await self._close([self._retire(tenant) for tenant in tuple(self._pooled)])

    async def _take(self, tenant: str, address: Address, key: str | None, previous: Sequence[str]) -> _Pooled:
        pooled = self._pooled.get(tenant)
        if pooled is not None and (pooled.address, pooled.key) == (address, key):
            self._pooled.move_to_end(tenant)
            pooled.users += 1
            return pooled
        pooled = await self._connect(address, (key, *previous))
        if pooled.key == key:
            await self._close(self._put(tenant, pooled))
        else:
            pooled.retired = True
        return pooled

    async def _connect(self, address: Address, keys: Sequence[str | None]) -> _Pooled:
        """Return a client with the first key that the store takes."""
        for key in keys[:-1]:
            with suppress(KeyRefusedError):
                return _Pooled(await _connected(address, key, self._trust), address, key, users=1)
        return _Pooled(await _connected(address, keys[-1], self._trust), address, keys[-1], users=1)

    def _put(self, tenant: str, pooled: _Pooled) -> list[_Pooled]:
        """Keep a client and return the ones that had to go for it; nothing is awaited between."""
        gone = [self._retire(tenant)] if tenant in self._pooled else []
        self._pooled[tenant] = pooled
        while len(self._pooled) > self._capacity:
            gone.append(self._retire(next(iter(self._pooled))))
        return gone

    def _retire(self, tenant: str) -> _Pooled:
        """Take a client out; who still uses it closes it when done."""
        pooled = self._pooled.pop(tenant)
        pooled.retired = True
        return pooled

    async def _close(self, gone: Iterable[_Pooled]) -> None:
        for pooled in gone:
            await _close_if_done(pooled)


async def _close_if_done(pooled: _Pooled) -> None:
    if pooled.retired and not pooled.users:
        await pooled.client.close()


async def _connected(address: Address, key: str | None, trust: Trust) -> WeaviateAsyncClient:
    client = _client(address, key, trust)
    try:
        async with translated(_CONNECT_SECONDS):
            await client.connect()
    except BaseException:
        await client.close()
        raise
    return client


def _client(address: Address, key: str | None, trust: Trust) -> WeaviateAsyncClient:
    credentials = grpc.ssl_channel_credentials(trust.roots) if address.is_secure else None
    client = use_async_with_custom(
        http_host=address.host,
        http_port=address.http_port,
        http_secure=address.is_secure,
        grpc_host=address.grpc_host or address.host,
        grpc_port=address.grpc_port,
        grpc_secure=address.is_secure,
        auth_credentials=None if key is None else Auth.api_key(key),
        additional_config=AdditionalConfig(
            timeout=_TIMEOUT, trust_env=False, grpc_config=GrpcConfig(credentials=credentials)
        ),
        skip_init_checks=True,  # they ask a package index on the internet for the client's newest version
    )
    if address.is_secure:
        _believe(client, trust)
    return client


def _believe(client: WeaviateAsyncClient, trust: Trust) -> None:
    """Let the client's HTTP side trust what its gRPC side does: it has an option for the latter alone."""
    connection = client._connection  # noqa: SLF001 - see above; a test over TLS fails when this changes

    def make_client(_: object) -> httpx.AsyncClient:
        headers = connection._headers  # noqa: SLF001 - as its own method does
        return httpx.AsyncClient(headers=headers, verify=trust.context, trust_env=False)

    connection._make_client = make_client  # type: ignore[method-assign,assignment]  # noqa: SLF001
