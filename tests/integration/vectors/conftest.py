"""One real Weaviate for all of these tests; each test has a tenant of its own in it, told apart by tenantID alone."""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from kubernetes.aio.client import ApiClient

from moorage_api.auth.authenticator import Authenticator
from moorage_api.gateway.proxy import Proxy
from moorage_api.gateway.service import Gateway
from moorage_api.kube.cache import ClusterCache
from moorage_api.vectors.backends.weaviate.pool import Address, Pool
from moorage_api.vectors.schemas import Deletion, NewCollection, NewObject, Search
from moorage_api.vectors.service import Vectors
from moorage_api.vectors.store_secrets import StoreSecrets
from moorage_crds import names
from tests.support import users, weaviate
from tests.support.api import KEYRING, TurnedClock
from tests.support.api import tenant as a_tenant
from tests.support.loops import closed_connections  # noqa: F401 # a fixture works by being known here
from tests.support.weaviate import WeaviateServer


class Nobody:
    """A credential store without credentials: these tests call the feature, not its routes."""

    async def session(self, *_: Any) -> None:
        return None

    async def api_key(self, *_: Any) -> None:
        return None


@dataclass(frozen=True)
class Shop:
    """The vectors feature with one tenant at hand."""

    vectors: Vectors
    tenant: dict[str, Any]

    async def make(self, name: str = "docs", **more: Any) -> None:
        """Make a collection of three dimensions."""
        await self.vectors.create(self.tenant, NewCollection(name=name, **({"dimensions": 3} | more)))

    async def put(self, *objects: dict[str, Any], name: str = "docs") -> Any:
        """Upsert objects; a vector that does not matter may be left out."""
        new = [NewObject(**({"vector": [1.0, 0.0, 0.0]} | each)) for each in objects]
        return await self.vectors.upsert(self.tenant, name, new)

    async def find(self, name: str = "docs", **search: Any) -> list[Any]:
        """Search by a vector, or as told."""
        query = {} if search.keys() & {"text", "keyword"} else {"vector": [1.0, 0.0, 0.0]}
        return await self.vectors.search(self.tenant, name, Search(**({"top_k": 100} | query | search)))

    async def ids(self, filter_: dict[str, Any], name: str = "docs") -> set[str]:
        """Return the ids of the objects that pass a filter."""
        return {hit.found.id for hit in await self.find(name, filter=filter_)}

    async def delete(self, name: str = "docs", **which: Any) -> int:
        """Delete objects."""
        return await self.vectors.delete(self.tenant, name, Deletion(**which))

    async def count(self, name: str = "docs") -> int:
        """Return the number of objects."""
        return (await self.vectors.collection(self.tenant, name))[1]


@pytest.fixture(scope="session")
def weaviate_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WeaviateServer]:
    """A running Weaviate, with the key of a user such as the operator makes for the API."""
    if not weaviate.is_built():
        pytest.fail("weaviate-server is not built on this machine; `make integration` builds it")
    with weaviate.running(tmp_path_factory.mktemp("weaviate")) as server:
        yield replace(server, key=asyncio.run(users.make(server, "moorage-0")))


def add_tenant(cache: ClusterCache, name: str, key: str, **spec: Any) -> dict[str, Any]:
    """Make a tenant known to the cache, as its watch would, and return it."""
    tenant = a_tenant(name, str(uuid.uuid4()), **spec)
    cache.observe("Tenant", tenant)
    data = {names.WEAVIATE_KEY: base64.b64encode(key.encode()).decode()}
    metadata = {"name": names.CREDENTIALS, "namespace": f"tenant-{name}", "resourceVersion": "1"}
    cache.observe("Secret", {"metadata": metadata, "data": data})
    return tenant


@pytest.fixture
async def cache() -> AsyncIterator[ClusterCache]:
    """A cache that nobody feeds but the test."""
    async with ApiClient() as api:
        yield ClusterCache(api)


@pytest.fixture
async def vectors(cache: ClusterCache, weaviate_server: WeaviateServer) -> AsyncIterator[Vectors]:
    """The feature, its tenants' Weaviates all being the one that runs."""
    authenticator = Authenticator(Nobody(), KEYRING.jwt_key, KEYRING.pepper, TurnedClock())
    gateway = Gateway(cache, Proxy(), authenticator)
    here = Address("127.0.0.1", weaviate_server.http_port, weaviate_server.grpc_port)
    async with ApiClient() as api:
        feature = Vectors(cache, gateway, Pool(lambda _: here), StoreSecrets(api, TurnedClock()))
        yield feature
        await feature.close()


@pytest.fixture
async def shop(cache: ClusterCache, vectors: Vectors, weaviate_server: WeaviateServer) -> Shop:
    """A tenant without any collection."""
    return Shop(vectors, add_tenant(cache, "acme", weaviate_server.key))


@pytest.fixture
async def rival(cache: ClusterCache, vectors: Vectors, weaviate_server: WeaviateServer) -> Shop:
    """Another tenant in the same Weaviate: only physical names keep the two apart here."""
    return Shop(vectors, add_tenant(cache, "rival", weaviate_server.key))
