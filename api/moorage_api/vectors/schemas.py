"""What the routes about collections take and answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from moorage_api.vectors.model import Collection, Hit, Metric, StoredObject
from moorage_crds.names import MODEL_NAME_MAX
from moorage_crds.schema import DNS_LABEL

UPSERT_MAX = 1000
"""Most objects, or ids, in one request."""
DIMENSIONS_MAX = 65_535
TOP_K_MAX = 1000
TEXT_MAX = 64 * 1024
"""Longest text of an object, in characters."""

CollectionName = Annotated[str, Field(pattern=DNS_LABEL, max_length=63)]
ObjectId = Annotated[str, Field(min_length=1, max_length=512)]
Vector = Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=1, max_length=DIMENSIONS_MAX)]
Text = Annotated[str, Field(min_length=1, max_length=TEXT_MAX)]
TensorName = Annotated[str, Field(min_length=1, max_length=128)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class NewEmbedding(_Request):
    """The tenant's own model that turns text into vectors."""

    model: Annotated[str, Field(pattern=DNS_LABEL, max_length=MODEL_NAME_MAX)]
    """Name of the model; its stable revision is the one that counts from now on."""
    input: TensorName = "TEXT"
    """Input tensor: TYPE_STRING, one element per text."""
    output: TensorName = "EMBEDDING"
    """Output tensor: FP32, shape [texts, dimensions]."""


class NewCollection(_Request):
    """A collection to be made; none of it can be changed later."""

    name: CollectionName
    dimensions: Annotated[int, Field(ge=1, le=DIMENSIONS_MAX)]
    """Length of every vector."""
    metric: Metric = "cosine"
    """How two vectors compare."""
    embedding: NewEmbedding | None = None
    """Without it, every object and every search brings its own vector."""


class EmbeddingView(BaseModel):
    """The model that embeds the collection's texts."""

    model: str
    revision: str
    input: str
    output: str


class CollectionView(BaseModel):
    """A collection."""

    name: str
    dimensions: int
    metric: Metric
    embedding: EmbeddingView | None

    @classmethod
    def of(cls, collection: Collection) -> Self:
        """Return the view of a collection."""
        return cls.model_validate(collection, from_attributes=True)


class CountedCollectionView(CollectionView):
    """A collection with its size."""

    objects: int
    """Number of objects, exact."""


class NewObject(_Request):
    """An object to be stored in full place of the one with its id."""

    id: ObjectId
    vector: Vector | None = None
    """Without it, ``text`` is embedded by the collection's model."""
    text: Text | None = None
    metadata: dict[Annotated[str, Field(min_length=1, max_length=255)], Any] = Field(default={}, max_length=128)
    """Strings, numbers, booleans, lists of one of them, and null, which is the same as absent. RFC 3339 dates in
    strings compare as dates."""


class Upsert(_Request):
    """Objects to be stored."""

    objects: Annotated[list[NewObject], Field(min_length=1, max_length=UPSERT_MAX)]


class UpsertResult(BaseModel):
    """What became of one object."""

    id: str
    status: Literal["stored", "superseded", "failed"]
    """``superseded``: a later object of the same request has the same id and was taken instead."""
    error: str | None = None


class UpsertResults(BaseModel):
    """What became of each object, in the order of the request."""

    stored: int
    failed: int
    items: list[UpsertResult]


class Deletion(_Request):
    """Which objects to delete; either ids or a filter."""

    ids: Annotated[list[ObjectId], Field(min_length=1, max_length=UPSERT_MAX)] | None = None
    filter: dict[str, Any] | None = None
    """Not empty: to delete everything, delete the collection."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.ids is None) == (not self.filter):
            raise ValueError("expected either ids or a filter that is not empty")
        return self


class Deleted(BaseModel):
    """How many objects were deleted."""

    deleted: int
    """Exact; ids that were not there are not counted."""


class Search(_Request):
    """A search by exactly one of ``vector``, ``text`` and ``keyword``."""

    vector: Vector | None = None
    text: Text | None = None
    """Embedded by the collection's model."""
    keyword: Text | None = None
    """Matched by words against the objects' texts (BM25)."""
    filter: dict[str, Any] = {}
    top_k: Annotated[int, Field(ge=1, le=TOP_K_MAX)] = 10
    include_vectors: bool = False

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(given is not None for given in (self.vector, self.text, self.keyword)) != 1:
            raise ValueError("expected exactly one of vector, text and keyword")
        return self


class ObjectView(BaseModel):
    """An object."""

    id: str
    text: str | None
    metadata: dict[str, Any]
    vector: list[float] | None

    @classmethod
    def of(cls, stored: StoredObject, *, with_vector: bool = True) -> ObjectView:
        """Return the view of an object."""
        return ObjectView.model_construct(
            id=stored.id,
            text=stored.text,
            metadata=dict(stored.metadata),
            vector=list(stored.vector) if with_vector else None,
        )


class HitView(ObjectView):
    """An object that a search found."""

    score: float
    """In [0, 1], higher is better."""
    distance: float | None
    """The metric's own (l2: squared; dot: negated product), lower is better; null for keywords."""

    @classmethod
    def of_hit(cls, hit: Hit, *, with_vector: bool) -> HitView:
        """Return the view of a hit."""
        found = ObjectView.of(hit.found, with_vector=with_vector)
        return cls.model_construct(**found.__dict__, score=hit.score, distance=hit.distance)


class SearchResults(BaseModel):
    """Hits, best first."""

    items: list[HitView]
