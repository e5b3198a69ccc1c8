"""What may be stored, checked before anything is sent: one broken rule, and nothing of the request is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from moorage_api.errors import FieldError, InvalidFieldsError
from moorage_api.vectors.errors import WrongDimensionError
from moorage_api.vectors.filters.values import element, kind_of, scalar
from moorage_api.vectors.model import Collection
from moorage_api.vectors.schemas import NewObject

METADATA_MAX: Final = 40 * 1024
"""Largest metadata of an object, in bytes of JSON."""
ARRAY_MAX: Final = 1000
_SHOWN: Final = 20


def check(collection: Collection, objects: Sequence[NewObject]) -> None:
    """Raise unless every object may be stored.

    Raises:
        InvalidFieldsError: Each broken rule by its path, such as ``objects.3.metadata.tags``.
        WrongDimensionError: A vector of another length than the collection's.
    """
    broken = [error for at, new in enumerate(objects) for error in _of_object(collection, new, f"objects.{at}")]
    if broken:
        named = "; ".join(f"{each.field}: {each.rule}" for each in broken[:_SHOWN])
        raise InvalidFieldsError(f"The request is not valid: {named}", tuple(broken[:_SHOWN]))
    for at, new in enumerate(objects):
        if new.vector is not None:
            check_dimensions(collection, new.vector, f"objects.{at}.vector")


def check_dimensions(collection: Collection, vector: Sequence[float], path: str) -> None:
    """Raise WrongDimensionError unless the vector fits the collection."""
    if len(vector) != collection.dimensions:
        raise WrongDimensionError(
            f"{path}: expected {collection.dimensions} numbers, as collection {collection.name!r} has, "
            f"not {len(vector)}"
        )


def kept(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata without null, which is the same as absent."""
    return {field: value for field, value in metadata.items() if value is not None}


def _of_object(collection: Collection, new: NewObject, path: str) -> Iterator[FieldError]:
    if new.vector is None and new.text is None:
        yield FieldError(path, "expected a vector or a text")
    elif new.vector is None and collection.embedding is None:
        yield FieldError(f"{path}.vector", "expected a vector, as the collection has no embedding model")
    yield from _of_metadata(new.metadata, f"{path}.metadata")


def _of_metadata(metadata: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    rules = {field: _broken_by(field, value) for field, value in kept(metadata).items()}
    broken = {field: rule for field, rule in rules.items() if rule}
    yield from (FieldError(f"{path}.{field}", rule) for field, rule in broken.items())
    if not broken and len(orjson.dumps(metadata)) > METADATA_MAX:
        yield FieldError(path, f"expected at most {METADATA_MAX} bytes of JSON")


def _broken_by(field: str, value: Any) -> str | None:
    if field.startswith("$"):
        return "expected a name that does not begin with $, as operators do"
    if isinstance(value, list):
        return _broken_by_array(value)
    if scalar(value) is None:
        return "expected a string, a number within 2^53, a boolean, a list of one of them, or null"
    return None


def _broken_by_array(value: list[Any]) -> str | None:
    elements = [element(each) for each in value]
    if any(each is None for each in elements) or len({kind_of(each) for each in elements if each is not None}) > 1:
        return "expected a list of strings, of numbers or of booleans"
    return f"expected at most {ARRAY_MAX} elements" if len(value) > ARRAY_MAX else None
