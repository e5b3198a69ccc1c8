"""The client's exceptions turned into ours, at the one boundary; its words may hold objects, so they go no further."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

import grpc
import httpx
from weaviate import exceptions as weaviate

from moorage_api.vectors.errors import KeyRefusedError, StoreFailedError, StoreTimeoutError
from moorage_crds.errors import ConflictError, MoorageError, NotFoundError, UnavailableError

_log = logging.getLogger(__name__)

# The client logs every object of a failed batch, payload and all.
logging.getLogger("weaviate-client").setLevel(logging.CRITICAL)

_UNREACHABLE: Final = (
    weaviate.WeaviateConnectionError,
    weaviate.WeaviateStartUpError,
    weaviate.WeaviateGRPCUnavailableError,
    weaviate.WeaviateClosedClientError,
    httpx.TransportError,
)
_REFUSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_EXISTS: Final = "already exists"


@asynccontextmanager
async def translated(seconds: float) -> AsyncIterator[None]:
    """Bound what happens inside to ``seconds``, the client's own retries included, and raise our errors from it."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise StoreTimeoutError("The vector store did not answer in time.") from error
    except (weaviate.WeaviateBaseError, httpx.HTTPError, grpc.RpcError) as error:
        raise _ours(error) from error


def _ours(error: Exception) -> MoorageError:
    chain = list(_chain(error))
    codes = {each.code() for each in chain if isinstance(each, grpc.aio.AioRpcError)}
    if grpc.StatusCode.DEADLINE_EXCEEDED in codes or any(_is_timeout(each) for each in chain):
        return StoreTimeoutError("The vector store did not answer in time.")
    if grpc.StatusCode.UNAVAILABLE in codes or any(isinstance(each, _UNREACHABLE) for each in chain):
        return UnavailableError("The vector store does not answer now.")
    if isinstance(error, weaviate.UnexpectedStatusCodeError):
        return _of_status(error)
    _log.warning("the vector store failed: %s", type(error).__name__)
    return StoreFailedError("The vector store failed.")


def _of_status(error: weaviate.UnexpectedStatusCodeError) -> MoorageError:
    if error.status_code == HTTPStatus.NOT_FOUND:
        return NotFoundError("There is no such collection.")
    if error.status_code in _REFUSED:
        return KeyRefusedError("The vector store refuses the tenant's key.")
    if _EXISTS in str(error):
        return ConflictError("There is such a collection already.")
    _log.warning("the vector store failed: status %s", error.status_code)
    return StoreFailedError("The vector store failed.")


def _is_timeout(error: BaseException) -> bool:
    return isinstance(error, weaviate.WeaviateTimeoutError | httpx.TimeoutException)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
