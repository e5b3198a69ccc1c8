"""Unpack tar, tar.gz and zip archives that nobody vouches for.

Separate because it is one of the two fences against a tenant's input. Members are written by us, byte by byte:
only plain files and folders, below the target, once each, within the budget. Python's own extraction filters are
absent from Debian 12's Python 3.11.
"""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import zipfile
import zlib
from typing import IO, TYPE_CHECKING, Literal

from typing_extensions import override

from moorage_agent.errors import SourceInvalidError
from moorage_agent.sources.paths import is_litter, safe_path
from moorage_crds.errors import UnsafePathError

if TYPE_CHECKING:
    from pathlib import Path, PurePosixPath

    from moorage_agent.sources.budget import Budget

Kind = Literal["tar", "tar.gz", "zip"]

_SUFFIXES: dict[str, Kind] = {".tar": "tar", ".tar.gz": "tar.gz", ".tgz": "tar.gz", ".zip": "zip"}
_TAR_MAGIC_AT = 257
_CHUNK = 256 * 1024
_MAX_HEADER = 1 << 20
"""Largest piece read at once: tarfile reads an extended header, whose size the archive states, in one go."""
_MAX_DIRECTORY = 8 << 20
"""Largest central directory of a zip, which zipfile reads at once: room for some 80,000 entries."""
_END_RECORD, _LOCATOR, _END_RECORD_64 = 22, 20, 56
"""Sizes in bytes of the records that end a zip file."""


def kind(name: str, path: Path) -> Kind | None:
    """Return what archive a download is, by its name's suffix or, without any suffix, by its first bytes.

    A suffix decides first: a ``.pt`` file is a zip inside and must stay whole.
    """
    lower = name.lower()
    for suffix, found in _SUFFIXES.items():
        if lower.endswith(suffix):
            return found
    return None if "." in name else _kind_of_bytes(path)


def unpack(kind: Kind, path: Path, into: Path, budget: Budget) -> None:
    """Write an archive's members below ``into``; raises FetchError or UnsafePathError at the first bad one."""
    try:
        if kind == "zip":
            _unpack_zip(path, into, budget)
        else:
            _unpack_tar(path, into, budget, zipped=kind == "tar.gz")
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, gzip.BadGzipFile, EOFError, ValueError) as error:
        raise SourceInvalidError(f"the archive is damaged or no {kind}: {error}") from error
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise SourceInvalidError("the archive names one path twice, or a file as a folder") from error


def _kind_of_bytes(path: Path) -> Kind | None:
    with path.open("rb") as file:
        head = file.read(_TAR_MAGIC_AT + 5)
    if head.startswith(b"\x1f\x8b"):
        return "tar.gz"
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    return "tar" if head[_TAR_MAGIC_AT:] == b"ustar" else None


class _Bounded(io.BufferedIOBase):
    """A file that refuses to be read in large pieces."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile) -> None:
        self._file = file

    @override
    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _MAX_HEADER:
            raise SourceInvalidError("the archive holds a header larger than 1 MiB")
        return self._file.read(size)

    @override
    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    @override
    def tell(self) -> int:
        return self._file.tell()


def _unpack_tar(path: Path, into: Path, budget: Budget, *, zipped: bool) -> None:
    with (
        path.open("rb") as raw,
        gzip.GzipFile(fileobj=raw) if zipped else raw as plain,
        tarfile.open(fileobj=_Bounded(plain), mode="r:", errorlevel=2) as tar,
    ):
        while (member := tar.next()) is not None:
            _unpack_member(tar, member, into, budget)


def _unpack_member(tar: tarfile.TarFile, member: tarfile.TarInfo, into: Path, budget: Budget) -> None:
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise UnsafePathError(f"{member.name!r} is a link, a device or a sparse file; expected files and folders")
    target = safe_path(member.name)
    if member.isdir():
        _make(into, target, budget)
        return
    content = tar.extractfile(member)
    if content is not None:
        _write(content, into, target, budget)


def _unpack_zip(path: Path, into: Path, budget: Budget) -> None:
    _check_directory(path)
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            _check_member(member)
            target = safe_path(member.filename)
            if member.is_dir():
                _make(into, target, budget)
                continue
            with archive.open(member) as content:
                _write(content, into, target, budget)


def _check_member(member: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise UnsafePathError(f"{member.filename!r} is a link or a device; expected files and folders")
    if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise SourceInvalidError(f"{member.filename!r} is encrypted or packed by another method than deflate")


def _check_directory(path: Path) -> None:
    """Refuse a zip whose central directory is huge, before zipfile reads it into memory."""
    with path.open("rb") as file:
        end = file.seek(0, io.SEEK_END)
        file.seek(max(0, end - (1 << 16) - _END_RECORD))
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + _END_RECORD > len(tail):
        raise zipfile.BadZipFile("no end of the central directory")
    (size,) = struct.unpack_from("<L", tail, at + 12)
    if at >= _LOCATOR and tail[at - _LOCATOR :].startswith(b"PK\x06\x07"):
        size = _directory64(tail, at - _LOCATOR, end - len(tail))
    if size > _MAX_DIRECTORY:
        raise SourceInvalidError("the archive's list of files is larger than 8 MiB")


def _directory64(tail: bytes, locator: int, tail_at: int) -> int:
    """Return the size in the zip64 end record, which must stand right before its locator, where zipfile looks."""
    at = locator - _END_RECORD_64
    (stated,) = struct.unpack_from("<Q", tail, locator + 8)
    if at < 0 or stated != tail_at + at:
        raise zipfile.BadZipFile("the zip64 end record is elsewhere than before its locator")
    (size,) = struct.unpack_from("<Q", tail, at + 40)
    return int(size)


def _make(into: Path, target: PurePosixPath, budget: Budget) -> None:
    if not is_litter(target):
        budget.spend(files=1)
        (into / target).mkdir(parents=True, exist_ok=True)


def _write(content: IO[bytes], into: Path, target: PurePosixPath, budget: Budget) -> None:
    """Write one file. Modes, owners and times of the archive are not taken over."""
    if is_litter(target):
        _skip(content, budget)
        return
    budget.spend(files=1)
    path = into / target
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        while chunk := content.read(_CHUNK):
            budget.spend(size=len(chunk))
            file.write(chunk)


def _skip(content: IO[bytes], budget: Budget) -> None:
    while chunk := content.read(_CHUNK):
        budget.spend(size=len(chunk))
