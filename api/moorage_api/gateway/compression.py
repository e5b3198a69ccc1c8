"""Unpacking and packing a compressed answer, so that the model's name in it can be put right.

Runs in a thread: it is the one costly act of the gateway, and only for clients that ask for compression.
"""

from __future__ import annotations

import zlib
from typing import Final

from moorage_api.gateway.proxy import BrokenError

_WINDOW: Final = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_LEVEL: Final = 1
"""Speed before size: Triton has compressed for size already, and was not asked for the name."""


def unpack(data: bytes, encoding: str, limit: int) -> bytes:
    """Return the data behind a ``gzip`` or ``deflate`` Content-Encoding; raises BrokenError beyond ``limit`` bytes."""
    inflater = zlib.decompressobj(_window(encoding))
    try:
        plain = inflater.decompress(data, limit)
    except zlib.error as error:
        raise BrokenError(f"expected {encoding} data from Triton") from error
    if not inflater.eof:
        raise BrokenError(f"expected at most {limit} bytes behind Triton's {encoding}")
    return plain


def pack(data: bytes, encoding: str) -> bytes:
    """Return the data in a ``gzip`` or ``deflate`` Content-Encoding."""
    deflater = zlib.compressobj(_LEVEL, wbits=_window(encoding))
    return deflater.compress(data) + deflater.flush()


def _window(encoding: str) -> int:
    if encoding not in _WINDOW:
        raise BrokenError(f"expected gzip or deflate from Triton, not {encoding[:40]!r}")
    return _WINDOW[encoding]
