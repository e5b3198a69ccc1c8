"""Which paths a source may name: relative, inside its folder, and made of plain parts.

Separate because archives and inline files must obey the same rule.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from moorage_crds.errors import UnsafePathError

_MAX_PARTS = 32
_MAX_PART = 255
_LITTER = frozenset({"__pycache__", "__MACOSX", ".DS_Store"})


def safe_path(name: str) -> PurePosixPath:
    """Return the path with ``.`` parts dropped, empty for the folder itself; raises UnsafePathError."""
    if name.startswith("/") or "\\" in name or any(ord(character) < ord(" ") for character in name):
        raise UnsafePathError(f"{name!r} is not a relative path of plain parts")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise UnsafePathError(f"{name!r} leaves the model's folder")
    if len(parts) > _MAX_PARTS or any(len(part.encode()) > _MAX_PART for part in parts):
        raise UnsafePathError(f"{name[:80]!r} is too deep or too long")
    return PurePosixPath(*parts)


def is_litter(path: PurePosixPath) -> bool:
    """Tell what is never taken over: stale bytecode runs instead of the source beside it when their times agree."""
    return not _LITTER.isdisjoint(path.parts)
