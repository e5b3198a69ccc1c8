"""What the routes about collections do: find the tenant's store, embed what has no vector, check, hand on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from weaviate import WeaviateAsyncClient

from moorage_api.auth.principal import tenant_id_of
from moorage_api.gateway.errors import NoReplicaError
from moorage_api.gateway.service import Gateway
from moorage_api.kube.cache import Credentials
from moorage_api.tenants.policy import check_awake
from moorage_api.vectors import external, policy
from moorage_api.vectors.backends.base import VectorBackend
from moorage_api.vectors.backends.weaviate.pool import Address, Pool
from moorage_api.vectors.backends.weaviate.store import WeaviateStore
from moorage_api.vectors.embedding import Embedder, no_model
from moorage_api.vectors.errors import EmbeddingChangedError, KeyRefusedError, StoreCredentialsError
from moorage_api.vectors.filters.parse import parse
from moorage_api.vectors.model import Collection, Embedding, Hit, Keyword, NearVector, Query, StoredObject
from moorage_api.vectors.quota import ObjectQuota
from moorage_api.vectors.schemas import (
    Deletion,
    NewCollection,
    NewEmbedding,
    NewObject,
    Search,
    UpsertResult,
    UpsertResults,
)
from moorage_api.vectors.store_secrets import StoreSecrets
from moorage_crds import names
from moorage_crds.errors import InvalidInputError, NotFoundError, UnavailableError
from moorage_crds.tenant import ExternalStore, VectorStore

Manifest = Mapping[str, Any]


class Cluster(Protocol):
    """What this feature reads of the watch cache."""

    def model(self, namespace: str, name: str) -> dict[str, Any] | None:
        """Return a ModelDeployment."""

    def secret(self, namespace: str) -> Credentials | None:
        """Return the tenant's credentials."""


class Vectors:
    """Collections of every tenant.

    Args:
        cluster: The watch cache.
        gateway: Answers from tenants' embedding models.
        pool: Connections to tenants' Weaviates.
        secrets: Keys of external stores.
    """

    def __init__(self, cluster: Cluster, gateway: Gateway, pool: Pool, secrets: StoreSecrets) -> None:
        self._cluster = cluster
        self._embedder = Embedder(gateway)
        self._pool = pool
        self._secrets = secrets
        self._quota = ObjectQuota()

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    async def collections(self, tenant: Manifest) -> list[Collection]:
        """Return the tenant's collections, ordered by name."""
        async with self._store(tenant) as store:
            return await store.collections()

    async def create(self, tenant: Manifest, new: NewCollection) -> Collection:
        """Make a collection; its embedding model must serve, since its revision is written down."""
        embedding = None if new.embedding is None else self._embedding(tenant, new.embedding)
        collection = Collection(new.name, new.dimensions, new.metric, embedding)
        async with self._store(tenant) as store:
            await store.create(collection)
        return collection

    async def collection(self, tenant: Manifest, name: str) -> tuple[Collection, int]:
        """Return a collection and the number of its objects."""
        async with self._store(tenant) as store:
            collection = await store.collection(name)
            return collection, await store.count(collection)

    async def drop(self, tenant: Manifest, name: str) -> None:
        """Delete a collection with its objects."""
        async with self._store(tenant) as store:
            await store.drop(name)

    async def upsert(self, tenant: Manifest, name: str, objects: Sequence[NewObject]) -> UpsertResults:
        """Store objects; of several with one id the last counts."""
        async with self._store(tenant) as store:
            collection = await store.collection(name)
            policy.check(collection, objects)
            last = {new.id: at for at, new in enumerate(objects)}
            taken = [objects[at] for at in sorted(last.values())]
            await self._quota.admit(tenant, store, collection, [new.id for new in taken])
            errors = await store.upsert(collection, await self._embedded(tenant, collection, taken))
        failed = {new.id: error for new, error in zip(taken, errors, strict=True) if error}
        return _results([(new.id, last[new.id] == at, failed.get(new.id)) for at, new in enumerate(objects)])

    async def get(self, tenant: Manifest, name: str, object_id: str) -> StoredObject:
        """Return an object."""
        async with self._store(tenant) as store:
            return await store.get(await store.collection(name), object_id)

    async def delete(self, tenant: Manifest, name: str, deletion: Deletion) -> int:
        """Delete objects by id or by filter; return exactly how many there were."""
        clause = None if deletion.filter is None else parse(deletion.filter)
        async with self._store(tenant) as store:
            collection = await store.collection(name)
            if clause is not None:
                return await store.delete_where(collection, clause)
            return await store.delete(collection, list(dict.fromkeys(deletion.ids or ())))

    async def search(self, tenant: Manifest, name: str, search: Search) -> list[Hit]:
        """Return the best hits, best first."""
        clause = parse(search.filter)
        async with self._store(tenant) as store:
            collection = await store.collection(name)
            query = await self._query(tenant, collection, search)
            return await store.search(collection, query, clause, search.top_k)

    async def _query(self, tenant: Manifest, collection: Collection, search: Search) -> Query:
        if search.keyword is not None:
            return Keyword(search.keyword)
        if search.vector is not None:
            policy.check_dimensions(collection, search.vector, "vector")
            return NearVector(search.vector)
        (vector,) = await self._embed(tenant, collection, [search.text or ""])
        return NearVector(vector)

    async def _embedded(
        self, tenant: Manifest, collection: Collection, objects: Sequence[NewObject]
    ) -> list[StoredObject]:
        """Return the objects as they are stored, those without a vector embedded."""
        texts = [new.text or "" for new in objects if new.vector is None]
        made = iter(await self._embed(tenant, collection, texts) if texts else ())
        return [
            StoredObject(
                new.id, new.vector if new.vector is not None else next(made), new.text, policy.kept(new.metadata)
            )
            for new in objects
        ]

    async def _embed(self, tenant: Manifest, collection: Collection, texts: Sequence[str]) -> list[list[float]]:
        embedding = collection.embedding
        if embedding is None:
            raise no_model(collection)
        model = self._model(tenant, embedding.model)
        served = {each["revision"] for each in (model.get("status") or {}).get("traffic") or ()}
        if served and embedding.revision not in served:
            raise EmbeddingChangedError(
                f"Collection {collection.name!r} was embedded by revision {embedding.revision} of model "
                f"{embedding.model!r}, which now serves {', '.join(sorted(served))}: make a new collection."
            )
        return await self._embedder.embed(_name(tenant), model, collection, texts)

    def _embedding(self, tenant: Manifest, new: NewEmbedding) -> Embedding:
        stable = (self._model(tenant, new.model).get("status") or {}).get("stableRevision")
        if not stable:
            raise NoReplicaError(f"No revision of the model {new.model!r} serves yet.")
        return Embedding(new.model, stable, new.input, new.output)

    def _model(self, tenant: Manifest, name: str) -> dict[str, Any]:
        model = self._cluster.model(names.tenant_namespace(_name(tenant)), name)
        if model is None:
            raise InvalidInputError(f"embedding.model: expected a model of the tenant, not {name!r}")
        return model

    @asynccontextmanager
    async def _store(self, tenant: Manifest) -> AsyncIterator[VectorBackend]:
        """Lend the tenant's store for one request."""
        asked = VectorStore.model_validate((tenant.get("spec") or {}).get("vectorStore") or {})
        if asked.backend == "None":
            raise NotFoundError(f"Tenant {_name(tenant)!r} has no vector store: its spec.vectorStore.backend is None.")
        check_awake(tenant)
        lent = self._own(tenant) if asked.external is None else self._external(tenant, asked.external)
        async with lent as client:
            yield WeaviateStore(client, tenant_id_of(tenant))

    @asynccontextmanager
    async def _own(self, tenant: Manifest) -> AsyncIterator[WeaviateAsyncClient]:
        credentials = self._cluster.secret(names.tenant_namespace(_name(tenant)))
        keys = credentials.pair(names.WEAVIATE_KEY) if credentials else ()
        if not keys:
            raise UnavailableError("The tenant's credentials are not there yet.")
        async with self._pool.client(_name(tenant), *keys) as client:
            yield client

    @asynccontextmanager
    async def _external(self, tenant: Manifest, store: ExternalStore) -> AsyncIterator[WeaviateAsyncClient]:
        address = external.address(store)
        key = await self._external_key(tenant, store, address)
        try:
            async with self._pool.client(_name(tenant), key, address=address) as client:
                yield client
        except KeyRefusedError as error:
            self._secrets.forget(tenant_id_of(tenant))
            raise StoreCredentialsError(_refused(store)) from error

    async def _external_key(self, tenant: Manifest, store: ExternalStore, address: Address) -> str | None:
        if store.credentials_secret_ref is None:
            return None
        namespace, name = names.tenant_namespace(_name(tenant)), store.credentials_secret_ref.name
        return await self._secrets.key(tenant_id_of(tenant), namespace, name, address)


@asynccontextmanager
async def running(cluster: Cluster, gateway: Gateway, pool: Pool, secrets: StoreSecrets) -> AsyncIterator[Vectors]:
    """Run the feature: ``app.state.vectors`` while the application lives."""
    vectors = Vectors(cluster, gateway, pool, secrets)
    try:
        yield vectors
    finally:
        await vectors.close()


def _name(tenant: Manifest) -> str:
    name: str = tenant["metadata"]["name"]
    return name


def _refused(store: ExternalStore) -> str:
    if store.credentials_secret_ref is None:
        return "The external vector store wants a key, and spec.vectorStore.external names no Secret."
    return f"The external vector store refuses the key in Secret {store.credentials_secret_ref.name}."


def _results(outcomes: Sequence[tuple[str, bool, str | None]]) -> UpsertResults:
    """Return the results of (id, whether this one was taken, its error)."""
    items = [
        UpsertResult(id=each, status="superseded")
        if not taken
        else UpsertResult(id=each, status="failed" if error else "stored", error=error)
        for each, taken, error in outcomes
    ]
    stored = sum(item.status == "stored" for item in items)
    return UpsertResults(stored=stored, failed=sum(item.status == "failed" for item in items), items=items)
