"""Compressed answers: both encodings of Triton, and no bomb."""

from __future__ import annotations

import gzip
import zlib

import pytest

from moorage_api.gateway import compression
from moorage_api.gateway.proxy import BrokenError


def test_gzip_is_read_and_written() -> None:
    assert compression.unpack(gzip.compress(b"tensor"), "gzip", 100) == b"tensor"
    assert gzip.decompress(compression.pack(b"tensor", "gzip")) == b"tensor"


def test_deflate_is_read_and_written() -> None:
    assert compression.unpack(zlib.compress(b"tensor"), "deflate", 100) == b"tensor"
    assert zlib.decompress(compression.pack(b"tensor", "deflate")) == b"tensor"


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (gzip.compress(b"0" * 101), "gzip"),
        (gzip.compress(b"tensor")[:-9], "gzip"),
        (b"not compressed", "gzip"),
        (b"tensor", "br"),
    ],
    ids=["too large", "cut off", "not compressed", "unknown"],
)
def test_what_is_not_honest_compression_is_refused(data: bytes, encoding: str) -> None:
    with pytest.raises(BrokenError):
        compression.unpack(data, encoding, 100)
