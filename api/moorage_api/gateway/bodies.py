"""Reading a request's body whole and bounded, so that it can be re-framed and, if nothing was sent yet, sent again."""

from __future__ import annotations

from typing import Final

from starlette.types import Receive

from moorage_api.errors import PayloadTooLargeError
from moorage_api.gateway.headers import Headers, declared_length

MAX_BODY: Final = 64 * 1024 * 1024
"""Largest body of an inference request, in bytes: what Triton takes by default."""


class ClientGoneError(Exception):
    """The client closed the connection before its request was complete; nobody is there to answer."""


async def read(headers: Headers, receive: Receive, limit: int = MAX_BODY) -> bytes:
    """Return the whole body, chunked or not.

    Raises:
        PayloadTooLargeError: Declared or found larger than ``limit`` bytes.
        InvalidFramingError: Declared in two ways.
        ClientGoneError: The client went away.
    """
    _refuse_above(limit, declared_length(headers) or 0)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunk = message.get("body", b"")
        size += len(chunk)
        _refuse_above(limit, size)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _refuse_above(limit: int, size: int) -> None:
    if size > limit:
        raise PayloadTooLargeError(f"body: expected at most {limit} bytes")
