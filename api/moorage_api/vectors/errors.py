"""Refusals that only the vectors feature makes, with their HTTP statuses entered into the API's one table."""

from __future__ import annotations

from http import HTTPStatus

from moorage_api.errors import STATUS
from moorage_crds.errors import ConflictError, InvalidInputError, MoorageError, UnavailableError


class InvalidFilterError(InvalidInputError):
    """The filter breaks its grammar; the message names the path."""

    code = "invalid-filter"


class UnsupportedFilterError(InvalidInputError):
    """The tenant's backend cannot express an operator; the message names both."""

    code = "unsupported-filter"


class WrongDimensionError(InvalidInputError):
    """A vector has another length than the collection's."""

    code = "wrong-dimension"


class EmbeddingChangedError(ConflictError):
    """The collection was embedded by another revision than the model serves now; the vectors do not mix."""

    code = "embedding-changed"


class StoreTimeoutError(MoorageError):
    """The vector store did not answer in time; upserts and deletions may be repeated as they are."""

    code = "timeout"


class KeyRefusedError(UnavailableError):
    """The vector store does not know the tenant's key: it is behind or ahead of a rotation."""


class StoreCredentialsError(UnavailableError):
    """The Secret of an external store cannot be used, or the store refuses its key; the message never holds a value."""

    code = "store-credentials"


class StoreFailedError(MoorageError):
    """The vector store failed, or said what nobody understands."""

    code = "vector-store-failed"


STATUS.update({StoreTimeoutError: HTTPStatus.GATEWAY_TIMEOUT, StoreFailedError: HTTPStatus.BAD_GATEWAY})
