"""Elements of a warm-up request's inputs, as Triton takes them.

Separate because it is arithmetic on element types alone.
"""

from __future__ import annotations

import random
import struct
from typing import Final

STRING: Final = "TYPE_STRING"
_BF16 = "TYPE_BF16"
_FORMATS = {
    "TYPE_BOOL": "?",
    "TYPE_UINT8": "B",
    "TYPE_UINT16": "H",
    "TYPE_UINT32": "I",
    "TYPE_UINT64": "Q",
    "TYPE_INT8": "b",
    "TYPE_INT16": "h",
    "TYPE_INT32": "i",
    "TYPE_INT64": "q",
    "TYPE_FP16": "e",
    "TYPE_FP32": "f",
    "TYPE_FP64": "d",
}
KINDS: Final = frozenset({*_FORMATS, STRING, _BF16})
"""Element types that a warm-up can send."""

_FLOATS = "efd"
_BLOCK = 256
_SMALL = 8
"""Random whole numbers are below this: most models take them, as tokens or classes."""
_LETTERS = b"abcd"


def zero(kind: str) -> bytes:
    """Return one element that is 0, false or empty."""
    if kind == STRING:
        return struct.pack("<I", 0)
    return bytes(2) if kind == _BF16 else struct.pack(f"<{_FORMATS[kind]}", 0)


def block(kind: str) -> list[bytes]:
    """Return small elements of every kind, the same ones each time and all of one size."""
    source = random.Random(kind)  # noqa: S311 # no secret
    return [_small(kind, source) for _ in range(_BLOCK)]


def _small(kind: str, source: random.Random) -> bytes:
    if kind == STRING:
        return struct.pack("<I4s", len(_LETTERS), bytes(source.sample(_LETTERS, len(_LETTERS))))
    if kind == _BF16:
        return struct.pack("<f", source.random())[2:]
    form = _FORMATS[kind]
    if form in _FLOATS:
        return struct.pack(f"<{form}", source.random())
    return struct.pack(f"<{form}", source.randrange(2 if form == "?" else _SMALL))


def elements(kind: str, count: int, limit: int, *, is_random: bool) -> bytes | None:
    """Return ``count`` elements, None where they are more than ``limit`` bytes."""
    parts = block(kind) if is_random else [zero(kind)]
    if count * len(parts[0]) > limit:
        return None
    return (b"".join(parts) * (count // len(parts) + 1))[: count * len(parts[0])]
