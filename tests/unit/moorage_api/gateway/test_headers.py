"""Which headers pass, both ways, and how a body's end is told."""

from __future__ import annotations

import pytest

from moorage_api.gateway import headers
from moorage_api.gateway.errors import InvalidFramingError


def test_only_listed_headers_reach_triton() -> None:
    kept = {
        b"content-type": b"application/octet-stream",
        b"content-encoding": b"gzip",
        b"accept": b"*/*",
        b"accept-encoding": b"gzip",
        b"inference-header-content-length": b"12",
    }
    dropped = {
        b"authorization": b"Bearer key",
        b"cookie": b"a=b",
        b"forwarded": b"for=1.2.3.4",
        b"x-forwarded-for": b"1.2.3.4",
        b"host": b"elsewhere",
        b"connection": b"upgrade",
        b"moorage-inference-key": b"guess",
        b"moorage-management-key": b"guess",
        b"content-length": b"3",
        b"transfer-encoding": b"chunked",
        b"x-new": b"1",
    }
    assert headers.to_triton([*kept.items(), *dropped.items()]) == {
        name.decode(): value.decode() for name, value in kept.items()
    }


def test_only_listed_headers_reach_the_client() -> None:
    upstream = {"content-type": "application/json", "content-length": "3", "nv-status": "1", "set-cookie": "a=b"}
    assert headers.to_client(upstream) == [(b"content-type", b"application/json")]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([(b"content-length", b"12")], 12),
        ([(b"content-length", b"12"), (b"content-length", b"12")], 12),
        ([(b"transfer-encoding", b"chunked")], None),
        ([], None),
    ],
)
def test_the_declared_length(given: headers.Headers, expected: int | None) -> None:
    assert headers.declared_length(given) == expected


@pytest.mark.parametrize(
    "given",
    [
        [(b"content-length", b"12"), (b"transfer-encoding", b"chunked")],
        [(b"content-length", b"12"), (b"content-length", b"13")],
        [(b"content-length", b"-1")],
        [(b"content-length", b"1e3")],
    ],
)
def test_an_unclear_end_of_the_body_is_refused(given: headers.Headers) -> None:
    with pytest.raises(InvalidFramingError):
        headers.declared_length(given)
