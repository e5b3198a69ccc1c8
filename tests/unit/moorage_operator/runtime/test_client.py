from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from moorage_operator.runtime import apierrors, client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Chunks:
    """A response's body in the pieces that the network makes of it."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = chunks

    async def iter_any(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


@pytest.mark.parametrize(
    "chunks",
    [
        (b'{"a":1}\n{"b":2}\n',),
        (b'{"a"', b":1}\n", b'{"b":2}', b"\n"),
        (b'{"a":1}', b'\n{"b":2}\n'),
        (b'\n\n{"a":1}\n\n{"b":2}\n{"cut off',),
    ],
)
async def test_lines_are_whole_however_they_arrive(chunks: tuple[bytes, ...]) -> None:
    assert [line async for line in client.lines(Chunks(*chunks))] == [b'{"a":1}', b'{"b":2}']


async def test_a_line_may_be_longer_than_any_buffer() -> None:
    long = b"x" * 5_000_000
    chunks = [long[at : at + 65_536] for at in range(0, len(long), 65_536)]
    assert [line async for line in client.lines(Chunks(*chunks, b"\n"))] == [long]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/v1/namespaces/tenant-acme/secrets", "POST secrets tenant-acme"),
        ("/apis/apps/v1/namespaces/tenant-acme/deployments/triton", "POST deployments tenant-acme/triton"),
        ("/apis/moorage.dev/v1alpha1/tenants/acme/status", "POST tenants acme status"),
        ("/api/v1/namespaces/tenant-acme", "POST namespaces tenant-acme"),
        ("/api/v1/services", "POST services"),
    ],
)
def test_messages_name_verb_and_object(path: str, name: str) -> None:
    assert client.name_of("POST", path) == name


@pytest.mark.parametrize("content", [b"<html>", b"[]", b""])
def test_an_answer_that_is_no_object_is_a_failure_of_the_server(content: bytes) -> None:
    with pytest.raises(apierrors.ServerError):
        client.decode("GET x", content)


@pytest.mark.parametrize(
    "value", ["plain", "\x7f", "\u2028\x85", "\U0001f600", "\x00\x1b", 'a"b\\c', 1.5, None, {"a": [1]}], ids=repr
)
@pytest.mark.parametrize(("content_type", "read"), [(client.APPLY, yaml.safe_load), (client.JSON, json.loads)])
def test_a_body_is_read_as_it_was_meant(value: object, content_type: str, read: Callable[[bytes], object]) -> None:
    assert read(client.encode({"field": value}, content_type)) == {"field": value}
