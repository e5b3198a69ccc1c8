"""Sources at a ``pvc://claim/path``: a file or folder of a volume that the Tenant lets the agent mount.

Separate as every scheme is. Others may write to the volume while it is read, so no name is looked up twice and no
link is ever followed: one to the agent's own token would put that into reach of the tenant's models.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moorage_agent.errors import ClaimNotMountedError, FetchError, SourceMissingError, UnreachableError
from moorage_agent.sources import settling
from moorage_agent.sources.budget import MAX_SECONDS
from moorage_agent.sources.paths import is_litter, safe_path
from moorage_crds.errors import UnsafePathError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path, PurePosixPath

    from moorage_agent.sources.budget import Budget
    from moorage_crds.modeldeployment import Source

_CHUNK: Final = 1 << 20
_OPEN: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Without waiting: a pipe that nobody writes to would hold the agent for ever."""
_FILE_SYSTEMS_OWN: Final = "lost+found"


class Pvc:
    """Copies from mounted claims."""

    def __init__(self, claims: Path, seconds: float = MAX_SECONDS) -> None:
        self._claims = claims
        self._seconds = seconds

    async def fetch(self, source: Source, into: Path, budget: Budget) -> None:
        """Copy a folder, or a file whose digest is compared if there is one."""
        claim, _, path = (source.uri or "").removeprefix("pvc://").partition("/")
        root = self._claims / claim
        if not root.is_dir():
            raise ClaimNotMountedError(f"claim {claim} is not mounted: see spec.inference.modelClaims of the Tenant")
        copy = _Copy(safe_path(path), into, into.with_name(f"{into.name}.download"), source.sha256, budget)
        try:
            async with asyncio.timeout(self._seconds):
                await asyncio.to_thread(copy.run, root)
        except TimeoutError as error:
            raise UnreachableError(f"claim {claim} did not deliver within its time") from error
        finally:
            budget.cancelled = True  # Stops the thread where the waiting for it was cancelled.
            copy.download.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Copy:
    """One copy from a claim; may block on the disk."""

    path: PurePosixPath
    """Inside the claim."""
    into: Path
    download: Path
    """Where a single file goes before it is proven."""
    sha256: str | None
    budget: Budget

    def run(self, root: Path) -> None:
        with _opened_below(root, self.path) as found:
            if not stat.S_ISDIR(os.fstat(found).st_mode):
                self._one(found)
            elif self.sha256:
                raise FetchError(f"{self.path} is a folder; spec.source.sha256 goes with a file")
            else:
                self._tree(found, safe_path(""))

    def _one(self, found: int) -> None:
        digest = self._file(found, self.download, self.path)
        if self.sha256:
            settling.compare(digest, self.sha256)
        settling.settle(self.download, self.path.name, self.into, self.budget)

    def _tree(self, folder: int, at: PurePosixPath) -> None:
        with os.scandir(folder) as entries:
            for entry in entries:
                path = _path(at, entry.name)
                if not is_litter(path) and entry.name != _FILE_SYSTEMS_OWN:
                    self.budget.spend(files=1)
                    self._entry(folder, entry.name, path)

    def _entry(self, folder: int, name: str, path: PurePosixPath) -> None:
        with _opened(name, folder) as found:
            if stat.S_ISDIR(os.fstat(found).st_mode):
                (self.into / path).mkdir()
                self._tree(found, path)
            else:
                self._file(found, self.into / path, path)

    def _file(self, found: int, target: Path, path: PurePosixPath) -> str:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            raise UnsafePathError(f"{str(path)!r} is a device or a pipe; expected files and folders")
        digest = hashlib.sha256()
        with open(found, "rb", closefd=False) as content, target.open("xb") as file:
            while chunk := content.read(_CHUNK):
                self.budget.spend(size=len(chunk))
                digest.update(chunk)
                file.write(chunk)
        return digest.hexdigest()


def _path(at: PurePosixPath, name: str) -> PurePosixPath:
    try:
        return safe_path((at / name).as_posix())
    except UnicodeEncodeError as error:
        raise UnsafePathError(f"{name!r} is no UTF-8 text") from error


@contextmanager
def _opened_below(root: Path, path: PurePosixPath) -> Iterator[int]:
    """Yield a file or folder of a claim, opened part by part so that none of them can be a link."""
    at = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in path.parts:
            deeper = _open(part, at)
            os.close(at)
            at = deeper
        yield at
    finally:
        os.close(at)


@contextmanager
def _opened(name: str, folder: int) -> Iterator[int]:
    found = _open(name, folder)
    try:
        yield found
    finally:
        os.close(found)


def _open(name: str, folder: int) -> int:
    try:
        return os.open(name, _OPEN, dir_fd=folder)
    except OSError as error:
        raise _refusal(name, error) from error


def _refusal(name: str, error: OSError) -> Exception:
    if error.errno == errno.ELOOP:
        return UnsafePathError(f"{name!r} is a link; expected files and folders")
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return SourceMissingError(f"the claim holds no {name!r} where the source points to")
    if error.errno in (errno.ENXIO, errno.ENODEV):
        return UnsafePathError(f"{name!r} is a device or a socket; expected files and folders")
    return FetchError(f"{name!r} cannot be read: {error.strerror}")
