"""Reading a body whole and bounded."""

from __future__ import annotations

import pytest
from starlette.types import Message, Receive

from moorage_api.errors import PayloadTooLargeError
from moorage_api.gateway import bodies


def receive_of(*messages: Message) -> Receive:
    left = iter(messages)

    async def receive() -> Message:
        return next(left)

    return receive


def chunks(*pieces: bytes) -> Receive:
    last = len(pieces) - 1
    return receive_of(
        *({"type": "http.request", "body": piece, "more_body": at < last} for at, piece in enumerate(pieces))
    )


async def test_pieces_become_one_body() -> None:
    assert await bodies.read([], chunks(b"ab", b"", b"cd"), limit=4) == b"abcd"


async def test_a_declared_length_above_the_limit_is_refused_before_anything_is_read() -> None:
    with pytest.raises(PayloadTooLargeError):
        await bodies.read([(b"content-length", b"5")], receive_of(), limit=4)


async def test_a_chunked_body_above_the_limit_is_refused_while_it_comes() -> None:
    with pytest.raises(PayloadTooLargeError):
        await bodies.read([(b"transfer-encoding", b"chunked")], chunks(b"ab", b"cde", b"never read"), limit=4)


async def test_a_client_that_leaves_is_noticed() -> None:
    with pytest.raises(bodies.ClientGoneError):
        await bodies.read([], receive_of({"type": "http.disconnect"}))
