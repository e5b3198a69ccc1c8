"""From Triton's reply to our answer: names put back, lengths made right, failures turned into our errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Final

import aiohttp
import orjson

from moorage_api.gateway import compression, renaming
from moorage_api.gateway.answers import Answer
from moorage_api.gateway.errors import ModelFailedError, ModelRefusedError, UnknownModelError
from moorage_api.gateway.headers import HEAD_LENGTH, Headers, to_client
from moorage_api.gateway.proxy import BrokenError
from moorage_api.gateway.routing import Choice
from moorage_api.gateway.table import Rewrite
from moorage_crds.errors import UnavailableError

MAX_JSON: Final = 64 * 1024 * 1024
"""Largest JSON answer, in bytes; binary tensors pass in any size."""
_MAX_FAILURE: Final = 64 * 1024
_MAX_MESSAGE: Final = 4096
_NOT_HELD: Final = "Request for unknown model"
_UNREADABLE: Final = "Unable to parse '"
"""How Triton begins when the caller's JSON does not fit itself; it answers some of these with 500."""


class NotHeldError(Exception):
    """The replica does not hold the revision after all; nothing was run, another replica may be asked."""


class KeyRefusedError(NotHeldError):
    """The replica does not know the key: it holds another one of the tenant's, or is not this tenant's any more."""


async def answer(reply: aiohttp.ClientResponse, rewrite: Rewrite, choice: Choice, model: str, marks: Headers) -> Answer:
    """Return the answer to a successful reply; its body may still be on the wire.

    ``marks`` are our own headers. Raises BrokenError when the reply is not what Triton sends.
    """
    headers = [*to_client(reply.headers), *marks]
    length = reply.headers.get(HEAD_LENGTH)
    if rewrite != "inference" or length is None or "Content-Encoding" in reply.headers:
        return await _whole(reply, rewrite, choice, model, headers)
    size = _head_size(length)
    before = await reply.content.readexactly(size)
    head = renaming.in_inference(before, choice.triton_name, model)
    headers += [(HEAD_LENGTH.encode(), str(len(head)).encode()), *_moved_length(reply, len(head) - size)]
    return Answer(reply.status, headers, _rest(reply), head)


async def failure(reply: aiohttp.ClientResponse, choice: Choice | None, model: str, *, versioned: bool) -> Exception:
    """Return the error that a failed reply stands for.

    A replica that refuses our key is not this tenant's any more, or its key is being rotated: neither is the
    caller's fault, so both read as unavailable.
    """
    message = _message(await reply.content.read(_MAX_FAILURE))
    if choice is not None:
        message = renaming.in_message(message, choice.triton_name, model)
    match reply.status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return KeyRefusedError("the replica refused the tenant's key")
        case HTTPStatus.NOT_FOUND | HTTPStatus.BAD_REQUEST if message.startswith(_NOT_HELD):
            return UnknownModelError(message) if versioned else NotHeldError(message)
        case HTTPStatus.NOT_FOUND:
            return UnknownModelError(message)
        case HTTPStatus.SERVICE_UNAVAILABLE | HTTPStatus.TOO_MANY_REQUESTS:
            return UnavailableError(message)
        case status if status < HTTPStatus.INTERNAL_SERVER_ERROR or message.startswith(_UNREADABLE):
            return ModelRefusedError(message)
        case _:
            return ModelFailedError(message)


async def _whole(
    reply: aiohttp.ClientResponse, rewrite: Rewrite, choice: Choice, model: str, headers: Headers
) -> Answer:
    body = await _read(reply)
    encoding = reply.headers.get("Content-Encoding")
    if encoding and rewrite != "none":
        before = await asyncio.to_thread(compression.unpack, body, encoding, MAX_JSON)
    else:
        before = body
    size = reply.headers.get(HEAD_LENGTH)
    head = before[: int(size)] if size else before
    after = _renamed(head, rewrite, choice, model)
    if size:
        headers.append((HEAD_LENGTH.encode(), str(len(after)).encode()))
    if after != head:
        body = after + before[len(head) :]
        body = await asyncio.to_thread(compression.pack, body, encoding) if encoding else body
    headers.append((b"content-length", str(len(body)).encode()))
    return Answer(reply.status, headers, body=body)


def _renamed(head: bytes, rewrite: Rewrite, choice: Choice, model: str) -> bytes:
    match rewrite:
        case "none":
            return head
        case "object":
            return renaming.in_object(head, choice.triton_name, model)
        case "inference":
            return renaming.in_inference(head, choice.triton_name, model)


async def _read(reply: aiohttp.ClientResponse) -> bytes:
    """Return the whole body; a declared length spares reading what is too large."""
    if (reply.content_length or 0) > MAX_JSON:
        raise BrokenError(f"expected at most {MAX_JSON} bytes of JSON from Triton")
    return await reply.read()


def _head_size(length: str) -> int:
    if not length.isdigit() or int(length) > MAX_JSON:
        raise BrokenError("expected a whole number of bytes in Triton's header length")
    return int(length)


async def _rest(reply: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for piece in reply.content.iter_any():
        yield piece


def _moved_length(reply: aiohttp.ClientResponse, by: int) -> Headers:
    """Return Content-Length after the head has changed its size; none where Triton sent none."""
    if reply.content_length is None:
        return []
    return [(b"content-length", str(reply.content_length + by).encode())]


def _message(body: bytes) -> str:
    """Return Triton's own words, bounded; the server's bare text where it is not JSON."""
    try:
        message = orjson.loads(body)["error"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        message = body.decode("utf-8", "replace")
    return str(message)[:_MAX_MESSAGE] or "Triton refused the request without a word"
