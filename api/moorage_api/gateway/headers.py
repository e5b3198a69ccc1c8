"""Which headers pass the gateway, both ways: lists of what may, so that a new header of anyone's stays out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from moorage_api.gateway.errors import InvalidFramingError

Headers = list[tuple[bytes, bytes]]
"""Headers as ASGI has them: names in lower case."""

HEAD_LENGTH: Final = "inference-header-content-length"
"""Length in bytes of the JSON that precedes binary tensors, in requests and in answers."""

_FORWARDED: Final = frozenset(
    name.encode() for name in ("content-type", "content-encoding", "accept", "accept-encoding", HEAD_LENGTH)
)
_RETURNED: Final = ("content-type", "content-encoding")


def to_triton(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the headers that Triton sees; Authorization, Cookie, Forwarded and every unknown one are left out."""
    return {name.decode("ascii"): value.decode("latin-1") for name, value in headers if name in _FORWARDED}


def to_client(headers: Mapping[str, str]) -> Headers:
    """Return the headers of Triton's answer that the client sees, lengths apart."""
    return [(name.encode(), headers[name].encode("latin-1")) for name in _RETURNED if name in headers]


def declared_length(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """Return Content-Length, or None for a chunked body.

    Raises:
        InvalidFramingError: Two framings at once, which is how requests are smuggled past a proxy.
    """
    lengths = {value for name, value in headers if name == b"content-length"}
    chunked = any(name == b"transfer-encoding" for name, _ in headers)
    if len(lengths) > 1 or (lengths and chunked):
        raise InvalidFramingError("Content-Length: expected one way to frame the body, not several")
    return _whole(lengths.pop()) if lengths else None


def _whole(value: bytes) -> int:
    if not value.isdigit():
        raise InvalidFramingError("Content-Length: expected a whole number")
    return int(value)
