"""From one downloaded file to a source's files: prove it, unpack it or move it into place.

Separate because every scheme that can name one file ends so.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from moorage_agent.errors import ChecksumError
from moorage_agent.sources import archive
from moorage_agent.sources.paths import safe_path

if TYPE_CHECKING:
    from pathlib import Path

    from moorage_agent.sources.budget import Budget


def compare(digest: str, expected: str | None) -> None:
    """Raise ChecksumError unless the SHA-256 is the expected one."""
    if digest != expected:
        raise ChecksumError(f"expected SHA-256 {expected}, got {digest}")


def settle(download: Path, name: str, into: Path, budget: Budget) -> None:
    """Bring the file that the source calls ``name`` below ``into``: unpacked if it is an archive, else as it is."""
    kind = archive.kind(name, download)
    if kind is None:
        shutil.move(download, into / (safe_path(name).name or "model"))
    else:
        archive.unpack(kind, download, into, budget)
