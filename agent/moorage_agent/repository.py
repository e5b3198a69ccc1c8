"""The model store: staging folders beside the repository that Triton reads.

Separate because every promise about half-written models is kept here: what Triton can see appears and disappears
by rename alone, after it has reached the disk.

``staging/<name>.partial*`` is being written, ``staging/<name>`` is complete and unseen by Triton,
``repository/<name>`` is what Triton loads, also by itself when it restarts.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from moorage_agent import warmup

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DIGEST = ".source-digest"
"""File of a revision's folder that holds its manifest digest; there only if its source is a folder."""
WARMUP = ".warmup.pbtxt"
"""File in a revision's folder: the warm-up requests that the agent sends."""

_PARTIAL = ".partial"
_HEADROOM = 0.95
"""Share of the volume that sources may fill: the kubelet evicts the pod when it measures more than the limit."""


@dataclass(frozen=True)
class OnDisk:
    """Which revisions the store holds, by Triton name."""

    staged: frozenset[str] = frozenset()
    """Complete, out of Triton's sight."""
    placed: frozenset[str] = frozenset()
    """In the repository."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Manifest digests of those whose source is a folder."""
    warming: frozenset[str] = frozenset()
    """In the repository, with warm-up requests."""


class Repository:
    """The store's folders. Every method may block on the disk."""

    def __init__(self, store: Path, limit: int) -> None:
        self._repository = store / "repository"
        self._staging = store / "staging"
        self._store = store
        self._limit = limit

    def open(self) -> None:
        """Make the folders and remove what a killed run left half-written."""
        self._repository.mkdir(parents=True, exist_ok=True)
        self._staging.mkdir(exist_ok=True)
        for path in self._staging.glob(f"*{_PARTIAL}*"):
            _remove(path)

    def on_disk(self) -> OnDisk:
        """Return what is complete."""
        staged = [path for path in self._staging.iterdir() if _PARTIAL not in path.name]
        placed = list(self._repository.iterdir())
        digests = {path.name: said for path in (*staged, *placed) if (said := _digest_in(path))}
        warming = frozenset(path.name for path in placed if (path / WARMUP).exists())
        return OnDisk(
            frozenset(path.name for path in staged), frozenset(path.name for path in placed), digests, warming
        )

    def warmup(self, name: str) -> tuple[str, Path]:
        """Return the warm-up requests of a placed revision and the folder of their files."""
        folder = self._repository / name
        return (folder / WARMUP).read_text(encoding="utf-8"), folder / warmup.FOLDER

    def room(self) -> int:
        """Return the bytes that a further source may take."""
        return max(0, int(self._limit * _HEADROOM) - _used(self._store))

    def begin(self, name: str) -> Path:
        """Return a new, empty folder to write a revision into."""
        folder = self._staging / f"{name}{_PARTIAL}"
        _remove(folder)
        folder.mkdir()
        return folder

    def complete(self, name: str) -> None:
        """Bring a written revision to the disk and make it staged."""
        folder = self._staging / f"{name}{_PARTIAL}"
        _sync_tree(folder)
        self._move(folder, self._staging / name)

    def place(self, name: str) -> None:
        """Show a staged revision to Triton."""
        self._move(self._staging / name, self._repository / name)

    def withdraw(self, name: str) -> None:
        """Hide a revision from Triton, so that a restart does not load it."""
        self._move(self._repository / name, self._staging / name)

    def delete(self, name: str) -> None:
        """Remove a revision wherever it is; Triton never sees half of it."""
        for number, folder in enumerate(
            (self._repository / name, self._staging / name, self._staging / f"{name}{_PARTIAL}")
        ):
            if folder.exists():
                trash = self._staging / f"{name}{_PARTIAL}-{number}"
                _remove(trash)
                folder.rename(trash)
                _remove(trash)

    def _move(self, source: Path, target: Path) -> None:
        _remove(target)
        source.rename(target)
        _sync(self._repository)
        _sync(self._staging)


def _digest_in(folder: Path) -> str | None:
    """Return the digest that a folder was staged with; None without one, and for a folder that just moved away."""
    try:
        return (folder / DIGEST).read_text(encoding="ascii")
    except (FileNotFoundError, NotADirectoryError):
        return None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _used(store: Path) -> int:
    """Return the bytes that the kubelet would count; files may vanish meanwhile."""
    total = 0
    for root, _, files in os.walk(store):
        for name in files:
            try:
                total += os.lstat(f"{root}/{name}").st_blocks * 512
            except FileNotFoundError:
                continue
    return total


def _sync_tree(folder: Path) -> None:
    for root, _, files in os.walk(folder):
        for name in files:
            _sync(f"{root}/{name}")
        _sync(root)


def _sync(path: Path | str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
