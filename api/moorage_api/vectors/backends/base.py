"""What a vector store must do to be a backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from moorage_api.vectors.filters.ast import Filter
from moorage_api.vectors.model import Collection, Hit, Query, StoredObject


class VectorBackend(Protocol):
    """One tenant's store. Every method raises UnavailableError, StoreTimeoutError or StoreFailedError besides its own.

    Filters follow ``filters.truth``; one that the store cannot express raises UnsupportedFilterError, never less.
    """

    name: str
    """Name of the backend as in ``Tenant.spec.vectorStore.backend``."""

    async def create(self, collection: Collection) -> None:
        """Make a collection; raises ConflictError when there is one of the name."""

    async def collections(self) -> list[Collection]:
        """Return the tenant's collections, ordered by name."""

    async def collection(self, name: str) -> Collection:
        """Return a collection; raises NotFoundError."""

    async def drop(self, name: str) -> None:
        """Delete a collection with its objects; raises NotFoundError."""

    async def count(self, collection: Collection) -> int:
        """Return the exact number of objects."""

    async def present(self, collection: Collection, ids: Sequence[str]) -> int:
        """Return exactly how many of the ids, which differ, are there."""

    async def upsert(self, collection: Collection, objects: Sequence[StoredObject]) -> list[str | None]:
        """Store objects whose ids differ, each in full place of its predecessor; None or the error, one per object."""

    async def get(self, collection: Collection, object_id: str) -> StoredObject:
        """Return an object with its vector; raises NotFoundError."""

    async def delete(self, collection: Collection, ids: Sequence[str]) -> int:
        """Delete objects by id; return how many there were."""

    async def delete_where(self, collection: Collection, clause: Filter) -> int:
        """Delete every object that passes the filter; return exactly how many."""

    async def search(self, collection: Collection, query: Query, clause: Filter, top_k: int) -> list[Hit]:
        """Return the best hits among the objects that pass the filter, best first."""
