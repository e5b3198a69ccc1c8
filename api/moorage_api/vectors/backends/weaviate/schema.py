"""Weaviate's own description of a collection's properties: how each is indexed."""

from __future__ import annotations

from typing import Any, Final

from weaviate.classes.config import Configure, DataType, Property, Tokenization, VectorDistances

from moorage_api.vectors.backends.weaviate import layout
from moorage_api.vectors.filters.values import Kind
from moorage_api.vectors.model import Collection, Metric

_TYPES: Final = {
    Kind.STRING: DataType.TEXT,
    Kind.NUMBER: DataType.NUMBER,
    Kind.BOOLEAN: DataType.BOOL,
    Kind.DATE: DataType.DATE,
    Kind.STRINGS: DataType.TEXT_ARRAY,
    Kind.NUMBERS: DataType.NUMBER_ARRAY,
    Kind.BOOLEANS: DataType.BOOL_ARRAY,
}
_TEXTS: Final = frozenset({Kind.STRING, Kind.STRINGS})
_ORDERED: Final = frozenset({Kind.NUMBER, Kind.DATE})
_METRICS: Final[dict[Metric, VectorDistances]] = {
    "cosine": VectorDistances.COSINE,
    "dot": VectorDistances.DOT,
    "l2": VectorDistances.L2_SQUARED,
}


def arguments(physical: str, tenant_id: str, collection: Collection) -> dict[str, Any]:
    """Return the arguments that make a collection."""
    index = Configure.VectorIndex.hnsw(distance_metric=_METRICS[collection.metric])
    return {
        "name": physical,
        "description": layout.description(tenant_id, collection),
        "vector_config": Configure.Vectors.self_provided(vector_index_config=index),
        # Cannot be turned on later; people who look into the store by themselves want it.
        "inverted_index_config": Configure.inverted_index(index_null_state=True),
        "properties": _own(),
    }


def typed(name: str, field: str, kind: Kind) -> Property:
    """Return the property of a metadata field in one kind; texts are compared whole, with their capitals."""
    text = kind in _TEXTS
    return Property(
        name=name,
        description=f"metadata field {field!r}",
        data_type=_TYPES[kind],
        index_filterable=True,
        index_searchable=False if text else None,
        index_range_filters=True if kind in _ORDERED else None,
        tokenization=Tokenization.FIELD if text else None,
    )


def _own() -> list[Property]:
    return [
        _text(layout.PUBLIC_ID, filterable=False),
        _text(layout.METADATA, filterable=False),
        _text(layout.CONTENT, filterable=False, searchable=True),
        _text(layout.FIELDS, filterable=True, data_type=DataType.TEXT_ARRAY),
    ]


def _text(name: str, *, filterable: bool, searchable: bool = False, data_type: DataType = DataType.TEXT) -> Property:
    return Property(
        name=name,
        data_type=data_type,
        index_filterable=filterable,
        index_searchable=searchable,
        tokenization=Tokenization.WORD if searchable else Tokenization.FIELD,
    )
