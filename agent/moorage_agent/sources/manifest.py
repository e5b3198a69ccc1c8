"""The manifest digest of a fetched folder: paths, sizes and SHA-256 of its files, in one value.

Separate because nothing promises a folder's content beforehand: its first digest becomes the promise, and operator,
agents and people must be able to compute the same one.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def digest(folder: Path) -> str:
    """Return SHA-256 over one line of JSON ``[path, size, sha256]`` per file, sorted by path."""
    files = sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file())
    whole = hashlib.sha256()
    for name, path in files:
        line = json.dumps([name, path.stat().st_size, _sha256(path)], separators=(",", ":"), ensure_ascii=False)
        whole.update(line.encode() + b"\n")
    return whole.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
