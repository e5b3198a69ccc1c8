"""One tenant's Weaviate as a backend, for the length of one request.

It remembers what it has read of a collection's configuration, so a request reads it once and never an old one.
"""

from __future__ import annotations

from collections.abc import Collection as Names
from collections.abc import Sequence
from typing import Any, Final

from weaviate import WeaviateAsyncClient
from weaviate.classes.data import DataObject
from weaviate.classes.query import Filter as Weaviate
from weaviate.classes.query import MetadataQuery
from weaviate.exceptions import UnexpectedStatusCodeError, WeaviateInsertManyAllFailedError

from moorage_api.vectors import physical, scores
from moorage_api.vectors.backends.weaviate import layout, schema
from moorage_api.vectors.backends.weaviate.lower import Lowered, everything, lower
from moorage_api.vectors.backends.weaviate.refusals import translated
from moorage_api.vectors.errors import StoreFailedError
from moorage_api.vectors.filters.ast import Filter
from moorage_api.vectors.model import Collection, Hit, Keyword, NearVector, Query, StoredObject
from moorage_crds.errors import InvalidInputError, NotFoundError

PROPERTIES_MAX: Final = 256
"""Most typed metadata properties of a collection: each is an index that Weaviate keeps for ever."""
_SECONDS: Final = 30.0
_LONG_SECONDS: Final = 300.0
"""For deletions by filter, which go in rounds of 10,000."""


class WeaviateStore:
    """Collections of one tenant.

    Args:
        client: A connected client of the tenant's own Weaviate.
        tenant_id: The tenantID, from which every physical name derives.
    """

    name = "Weaviate"

    def __init__(self, client: WeaviateAsyncClient, tenant_id: str) -> None:
        self._client = client
        self._tenant_id = tenant_id
        self._known: dict[str, set[str]] = {}

    async def create(self, collection: Collection) -> None:
        """See VectorBackend."""
        async with translated(_SECONDS):
            await self._client.collections.create(
                **schema.arguments(self._physical(collection.name), self._tenant_id, collection)
            )

    async def collections(self) -> list[Collection]:
        """See VectorBackend."""
        async with translated(_SECONDS):
            classes = await self._client.collections.list_all(simple=False)
        found = (
            (physical_name, layout.collection_of(self._tenant_id, config.description))
            for physical_name, config in classes.items()
        )
        # A store may be shared with others, who can write any description but under the tenant's names.
        own = (each for at, each in found if each and at == self._physical(each.name))
        return sorted(own, key=lambda each: each.name)

    async def collection(self, name: str) -> Collection:
        """See VectorBackend."""
        try:
            async with translated(_SECONDS):
                config = await self._handle(name).config.get()
        except NotFoundError as error:
            raise NotFoundError(f"There is no collection {name!r}.") from error
        collection = layout.collection_of(self._tenant_id, config.description)
        if collection is None or collection.name != name:
            raise StoreFailedError("The vector store holds a collection that Moorage did not make.")
        self._known[name] = {each.name for each in config.properties}
        return collection

    async def drop(self, name: str) -> None:
        """See VectorBackend."""
        await self.collection(name)  # Weaviate deletes what is not there without a word
        async with translated(_SECONDS):
            await self._client.collections.delete(self._physical(name))

    async def count(self, collection: Collection) -> int:
        """See VectorBackend."""
        async with translated(_SECONDS):
            counted = await self._handle(collection.name).aggregate.over_all(total_count=True)
        return counted.total_count or 0

    async def present(self, collection: Collection, ids: Sequence[str]) -> int:
        """See VectorBackend."""
        if not ids:
            return 0
        filters = Weaviate.by_id().contains_any([self._uuid(collection, each) for each in ids])
        async with translated(_SECONDS):
            counted = await self._handle(collection.name).aggregate.over_all(total_count=True, filters=filters)
        return counted.total_count or 0

    async def upsert(self, collection: Collection, objects: Sequence[StoredObject]) -> list[str | None]:
        """See VectorBackend."""
        await self._make_properties(collection, objects)
        rows = [
            DataObject(
                uuid=self._uuid(collection, stored.id), properties=layout.properties(stored), vector=list(stored.vector)
            )
            for stored in objects
        ]
        async with translated(_LONG_SECONDS):
            try:
                result = await self._handle(collection.name).data.insert_many(rows)
            except WeaviateInsertManyAllFailedError:
                return ["The vector store refused the object."] * len(objects)
        return ["The vector store refused the object." if at in result.errors else None for at in range(len(objects))]

    async def get(self, collection: Collection, object_id: str) -> StoredObject:
        """See VectorBackend."""
        async with translated(_SECONDS):
            found = await self._handle(collection.name).query.fetch_object_by_id(
                self._uuid(collection, object_id), include_vector=True, return_properties=list(layout.RETURNED)
            )
        if found is None:
            raise NotFoundError(f"There is no object {object_id!r} in the collection {collection.name!r}.")
        return layout.stored_object(found.properties, _vector(found.vector))

    async def delete(self, collection: Collection, ids: Sequence[str]) -> int:
        """See VectorBackend."""
        uuids = [self._uuid(collection, each) for each in ids]
        return await self._delete(collection, Weaviate.by_id().contains_any(uuids)) if uuids else 0

    async def delete_where(self, collection: Collection, clause: Filter) -> int:
        """See VectorBackend."""
        lowered = lower(clause, await self._properties(collection))
        if lowered is False:
            return 0
        return await self._delete(collection, everything() if lowered is True else lowered)

    async def search(self, collection: Collection, query: Query, clause: Filter, top_k: int) -> list[Hit]:
        """See VectorBackend."""
        lowered = lower(clause, await self._properties(collection))
        if lowered is False:
            return []
        filters = None if lowered is True else lowered
        match query:
            case NearVector(vector):
                return await self._near(collection, vector, filters, top_k)
            case Keyword(text):
                return await self._keyword(collection, text, filters, top_k)

    async def _near(self, collection: Collection, vector: Sequence[float], filters: Lowered, top_k: int) -> list[Hit]:
        async with translated(_SECONDS):
            found = await self._handle(collection.name).query.near_vector(
                list(vector),
                limit=top_k,
                filters=filters,
                include_vector=True,
                return_metadata=MetadataQuery(distance=True),
                return_properties=list(layout.RETURNED),
            )
        return [
            Hit(
                layout.stored_object(each.properties, _vector(each.vector)),
                scores.of_distance(collection.metric, each.metadata.distance),
                each.metadata.distance,
            )
            for each in found.objects
        ]

    async def _keyword(self, collection: Collection, text: str, filters: Lowered, top_k: int) -> list[Hit]:
        async with translated(_SECONDS):
            found = await self._handle(collection.name).query.bm25(
                text,
                query_properties=[layout.CONTENT],
                limit=top_k,
                filters=filters,
                include_vector=True,
                return_metadata=MetadataQuery(score=True),
                return_properties=list(layout.RETURNED),
            )
        return [
            Hit(
                layout.stored_object(each.properties, _vector(each.vector)),
                scores.of_relevance(each.metadata.score),
                None,
            )
            for each in found.objects
        ]

    async def _delete(self, collection: Collection, filters: Lowered) -> int:
        """Delete in rounds until nothing matches: one call stops silently at 10,000 objects."""
        deleted: int = 0
        async with translated(_LONG_SECONDS):
            while True:
                result = await self._handle(collection.name).data.delete_many(where=filters)
                deleted += result.successful
                if result.successful == result.matches or not result.successful:
                    break
        if result.failed:
            raise StoreFailedError(f"The vector store deleted {deleted} objects and failed on others; try again.")
        return deleted

    async def _make_properties(self, collection: Collection, objects: Sequence[StoredObject]) -> None:
        """Give every new metadata field its property; a concurrent upsert that was quicker is no error."""
        known = await self._properties(collection)
        wanted = {name: pair for name, pair in layout.wanted_properties(objects).items() if name not in known}
        if len(known) + len(wanted) > PROPERTIES_MAX:
            raise InvalidInputError(f"metadata: expected at most {PROPERTIES_MAX} different fields in a collection")
        for name, (field, kind) in wanted.items():
            async with translated(_SECONDS):
                await self._add_property(collection, schema.typed(name, field, kind))
            known.add(name)

    async def _add_property(self, collection: Collection, prop: Any) -> None:
        handle = self._handle(collection.name)
        try:
            await handle.config.add_property(prop)
        except UnexpectedStatusCodeError:
            config = await handle.config.get()
            if prop.name not in {each.name for each in config.properties}:
                raise

    async def _properties(self, collection: Collection) -> set[str]:
        if collection.name not in self._known:
            await self.collection(collection.name)
        return self._known[collection.name]

    def _handle(self, name: str) -> Any:
        return self._client.collections.use(self._physical(name))

    def _physical(self, name: str) -> str:
        return physical.collection(self._tenant_id, name)

    def _uuid(self, collection: Collection, object_id: str) -> Any:
        return physical.object_id(self._tenant_id, collection.name, object_id)


def _vector(vectors: Any) -> Names[float]:
    """Return the one vector of an object, which the client keeps under the name of its index."""
    values: Names[float] = vectors["default"]
    return values
