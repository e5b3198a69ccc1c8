"""How a collection lies in Weaviate: pure, both ways.

A metadata field becomes one typed property per kind it ever had, so that values of two kinds never meet in one index.
Beside them stand the metadata as it came (what is answered) and the list of the fields' names (what ``$exists`` asks,
as Weaviate takes an empty string or list for null). Strings are stored in quotation marks: Weaviate trims white space
and forgets empty strings, and neither may make two values equal.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import orjson

from moorage_api.vectors.errors import StoreFailedError
from moorage_api.vectors.filters.values import ARRAYS, Date, Kind, Scalar, element, kind_of, scalar
from moorage_api.vectors.model import Collection, Embedding, StoredObject

PUBLIC_ID: Final = "public_id"
CONTENT: Final = "content"
METADATA: Final = "metadata"
FIELDS: Final = "fields"
EVERY: Final = "*"
"""Stands in ``FIELDS`` of every object; a field's name there is quoted, so none can be it."""
RETURNED: Final = (PUBLIC_ID, CONTENT, METADATA)

_PLAIN: Final = re.compile(r"[a-z0-9_]{1,64}")
_MARK: Final = "moorage"
_VERSION: Final = 1

Value = str | float | bool | datetime | list[str] | list[float] | list[bool]


def property_name(field: str, kind: Kind) -> str:
    """Return the property that holds a field's values of one kind.

    Readable where the field's name allows it; capitals do not, as Weaviate takes names that differ by them for one.
    """
    if _PLAIN.fullmatch(field):
        return f"{kind}_{field}"
    return f"{kind}x_{hashlib.sha256(field.encode()).hexdigest()[:32]}"


def quoted(text: str) -> str:
    """Return a string as it is stored and asked for."""
    return f'"{text}"'


def stored_scalar(value: Scalar) -> str | float | bool | datetime:
    """Return a scalar as it is stored and asked for."""
    match value:
        case str():
            return quoted(value)
        case Date(at):
            return at
        case _:
            return value


def typed(metadata: Mapping[str, Any]) -> dict[tuple[str, Kind], Value]:
    """Return the typed values of metadata by field and kind; empty lists have no kind and no property."""
    found: dict[tuple[str, Kind], Value] = {}
    for field, value in metadata.items():
        if isinstance(value, list):
            if value:
                kind, array = _array(value)
                found[field, kind] = array
        elif (plain := scalar(value)) is not None:
            found[field, kind_of(plain)] = stored_scalar(plain)
    return found


def properties(stored: StoredObject) -> dict[str, Any]:
    """Return the properties of an object."""
    kept: dict[str, Any] = {
        PUBLIC_ID: stored.id,
        METADATA: orjson.dumps(stored.metadata).decode(),
        FIELDS: [EVERY, *map(quoted, stored.metadata)],
    }
    if stored.text is not None:
        kept[CONTENT] = stored.text
    return kept | {property_name(field, kind): value for (field, kind), value in typed(stored.metadata).items()}


def wanted_properties(objects: Iterable[StoredObject]) -> dict[str, tuple[str, Kind]]:
    """Return the typed properties that objects need: property name -> field and kind."""
    pairs = {pair for stored in objects for pair in typed(stored.metadata)}
    return {property_name(field, kind): (field, kind) for field, kind in sorted(pairs)}


def stored_object(kept: Mapping[str, Any], vector: Iterable[float]) -> StoredObject:
    """Return the object of its properties."""
    try:
        return StoredObject(
            id=kept[PUBLIC_ID], vector=tuple(vector), text=kept.get(CONTENT), metadata=orjson.loads(kept[METADATA])
        )
    except (KeyError, TypeError, orjson.JSONDecodeError) as error:
        raise StoreFailedError("The vector store holds an object that Moorage did not write.") from error


def description(tenant_id: str, collection: Collection) -> str:
    """Return the collection's settings as its own description: there is no second place that could disagree."""
    embedding = collection.embedding
    return orjson.dumps(
        {
            _MARK: _VERSION,
            "tenantID": tenant_id,
            "name": collection.name,
            "dimensions": collection.dimensions,
            "metric": collection.metric,
            "embedding": None if embedding is None else asdict(embedding),
        }
    ).decode()


def collection_of(tenant_id: str, text: str | None) -> Collection | None:
    """Return the collection that a description tells of; None for a class that is not this tenant's."""
    try:
        told = orjson.loads(text or "null")
    except orjson.JSONDecodeError:
        return None
    if not isinstance(told, dict) or told.get(_MARK) != _VERSION or told.get("tenantID") != tenant_id:
        return None
    embedding = Embedding(**told["embedding"]) if told["embedding"] else None
    return Collection(told["name"], told["dimensions"], told["metric"], embedding)


def _array(value: list[Any]) -> tuple[Kind, Value]:
    elements = [plain for plain in map(element, value) if plain is not None]
    kind = ARRAYS[kind_of(elements[0])]
    return kind, [stored_scalar(each) for each in elements]  # type: ignore[return-value]  # one kind, by policy
