"""Texts to vectors by the tenant's own model, through the gateway's own code in this process."""

from __future__ import annotations

import array
import math
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import orjson

from moorage_api.gateway.answers import Answer
from moorage_api.gateway.headers import HEAD_LENGTH
from moorage_api.gateway.paths import Call
from moorage_api.gateway.service import Gateway, Question
from moorage_api.gateway.table import GATEWAY_ROUTES
from moorage_api.vectors.errors import StoreFailedError
from moorage_api.vectors.model import Collection, Embedding
from moorage_crds.errors import InvalidInputError

BATCH: Final = 64
"""Most texts in one request to a model that sets no smaller batch itself."""
_FLOAT: Final = 4
_INFER: Final = next(route for route in GATEWAY_ROUTES if route.template == "v2/models/{model}/infer")


class Embedder:
    """Asks tenants' models for vectors."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def embed(
        self, tenant: str, model: Mapping[str, Any], collection: Collection, texts: Sequence[str]
    ) -> list[list[float]]:
        """Return one vector per text, in order.

        Args:
            tenant: Name of the tenant.
            model: The ModelDeployment that the collection names.
            collection: A collection with an embedding.
            texts: Texts, in any number; they are sent in batches the model takes.

        Raises:
            InvalidInputError: The model answers something else than the collection expects.
            MoorageError: Whatever the gateway raises for this model.
        """
        embedding = collection.embedding
        if embedding is None:
            raise no_model(collection)
        batched = _batch_size(model)
        vectors: list[list[float]] = []
        for start in range(0, len(texts), batched or BATCH):
            batch = texts[start : start + (batched or BATCH)]
            body = _request(embedding, batch, _shape(model, embedding, len(batch)))
            vectors += _vectors(await self._ask(tenant, embedding, body), embedding, len(batch), collection.dimensions)
        return vectors

    async def _ask(self, tenant: str, embedding: Embedding, body: bytes) -> tuple[bytes, int]:
        """Return the answer and the length of its JSON head, 0 where all of it is JSON."""
        call = Call(_INFER, tenant, embedding.model)
        headers = {"content-type": "application/json"}
        async with self._gateway.answering(Question(call, headers, body, embedding.revision)) as answer:
            length = dict(answer.headers).get(HEAD_LENGTH.encode(), b"0")
            return b"".join([piece async for piece in _pieces(answer)]), int(length)


def no_model(collection: Collection) -> InvalidInputError:
    """Return the refusal of a text where nothing can embed it."""
    return InvalidInputError(f"text: expected a vector, as collection {collection.name!r} has no embedding model")


async def _pieces(answer: Answer) -> AsyncIterator[bytes]:
    yield answer.body
    if answer.pieces is not None:
        async for piece in answer.pieces:
            yield piece


def _batch_size(model: Mapping[str, Any]) -> int:
    """Return the largest batch that the model itself sets, at most ``BATCH``; 0 where it sets none."""
    config = model["spec"].get("config") or {}
    return min(BATCH, int(config.get("maxBatchSize") or 0))


def _shape(model: Mapping[str, Any], embedding: Embedding, texts: int) -> list[int]:
    """Return the input's shape: [texts], with a 1 behind it where the model's batches hold rows of one text."""
    config = model["spec"].get("config") or {}
    dims: list[int] = next((each["dims"] for each in config.get("inputs") or () if each["name"] == embedding.input), [])
    return [texts, 1] if config.get("maxBatchSize") and len(dims) == 1 else [texts]


def _request(embedding: Embedding, texts: Sequence[str], shape: list[int]) -> bytes:
    return orjson.dumps(
        {
            "inputs": [{"name": embedding.input, "datatype": "BYTES", "shape": shape, "data": list(texts)}],
            "outputs": [{"name": embedding.output, "parameters": {"binary_data": True}}],
        }
    )


def _vectors(answer: tuple[bytes, int], embedding: Embedding, texts: int, dimensions: int) -> list[list[float]]:
    body, head_length = answer
    output = _output(body[:head_length] if head_length else body, embedding.output)
    expected = [texts, dimensions]
    if output.get("datatype") != "FP32" or output.get("shape") != expected:
        raise InvalidInputError(
            f"embedding: expected model {embedding.model!r} to answer {embedding.output!r} as FP32 {expected}, "
            f"not {output.get('datatype')} {output.get('shape')}"
        )
    numbers = _numbers(body[head_length:], texts * dimensions) if head_length else output["data"]
    if not all(map(math.isfinite, numbers)):
        raise InvalidInputError(f"embedding: expected model {embedding.model!r} to answer finite numbers")
    return [list(numbers[at : at + dimensions]) for at in range(0, texts * dimensions, dimensions)]


def _output(head: bytes, name: str) -> dict[str, Any]:
    try:
        outputs = orjson.loads(head)["outputs"]
        found: dict[str, Any] = next(each for each in outputs if each["name"] == name)
    except (orjson.JSONDecodeError, KeyError, TypeError, StopIteration) as error:
        raise InvalidInputError(f"embedding: expected the model to answer a tensor {name!r}") from error
    return found


def _numbers(raw: bytes, count: int) -> array.array[float]:
    """Return little-endian 32-bit floats."""
    if len(raw) != count * _FLOAT:
        raise StoreFailedError("The embedding model's answer is cut off.")
    numbers = array.array("f", raw)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
