"""Archives, honest and hostile."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from moorage_agent.errors import FetchError
from moorage_agent.sources.archive import kind, unpack
from moorage_agent.sources.budget import Budget
from moorage_crds.errors import MoorageError, UnsafePathError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from moorage_agent.sources.archive import Kind

ROOM = 1 << 20


def tar_of(*members: tuple[tarfile.TarInfo, bytes], mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:  # type: ignore[call-overload] # the mode is a parameter here
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def zip_of(*members: tuple[zipfile.ZipInfo | str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for info, content in members:
            archive.writestr(info, content)
    return out.getvalue()


def member(name: str, type_: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = type_, link
    return info


def zip_member(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def run(kind: Kind, content: bytes, tmp_path: Path, *, room: int = ROOM, files: int = 100) -> Path:
    path, into = tmp_path / "download", tmp_path / "into"
    path.write_bytes(content)
    into.mkdir()
    unpack(kind, path, into, Budget(room, files))
    return into


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


HONEST: dict[Kind, Callable[[], bytes]] = {
    "tar": lambda: tar_of(
        (member("./", tarfile.DIRTYPE), b""), (member("./1/model.py"), b"code"), (member("big"), b"x" * 300_000)
    ),
    "tar.gz": lambda: tar_of((member("1/model.py"), b"code"), (member("big"), b"x" * 300_000), mode="w:gz"),
    "zip": lambda: zip_of(("1/", b""), ("1/model.py", b"code"), ("big", b"x" * 300_000)),
}


@pytest.mark.parametrize("kind", HONEST)
def test_an_honest_archive_is_unpacked(kind: Kind, tmp_path: Path) -> None:
    assert tree(run(kind, HONEST[kind](), tmp_path)) == {"1/model.py": b"code", "big": b"x" * 300_000}


def test_a_tar_with_many_small_files_is_unpacked(tmp_path: Path) -> None:
    content = tar_of(*((member(f"{n:04}"), b"%d" % n) for n in range(1000)), mode="w:gz")
    assert len(tree(run("tar.gz", content, tmp_path, files=1000))) == 1000


def test_stale_bytecode_and_litter_are_left_out(tmp_path: Path) -> None:
    content = zip_of(("__MACOSX/1/._model.py", b"x"), ("1/__pycache__/model.pyc", b"x"), ("1/model.py", b"code"))
    assert tree(run("zip", content, tmp_path)) == {"1/model.py": b"code"}


def test_modes_of_the_archive_are_not_taken_over(tmp_path: Path) -> None:
    info = member("1/model.py")
    info.mode = 0o4777
    path = run("tar", tar_of((info, b"code")), tmp_path) / "1" / "model.py"
    assert stat.S_IMODE(path.stat().st_mode) & ~0o666 == 0


UNSAFE: dict[str, tuple[Kind, Callable[[], bytes]]] = {
    "tar: parent": ("tar", lambda: tar_of((member("../evil"), b"x"))),
    "tar: absolute": ("tar", lambda: tar_of((member("/tmp/evil"), b"x"))),  # noqa: S108 # a path in an archive
    "tar: symbolic link": ("tar", lambda: tar_of((member("link", tarfile.SYMTYPE, "/etc/passwd"), b""))),
    "tar: hard link": ("tar", lambda: tar_of((member("link", tarfile.LNKTYPE, "../x"), b""))),
    "tar: device": ("tar", lambda: tar_of((member("null", tarfile.CHRTYPE), b""))),
    "tar: pipe": ("tar", lambda: tar_of((member("pipe", tarfile.FIFOTYPE), b""))),
    "tar.gz: parent": ("tar.gz", lambda: tar_of((member("a/../../evil"), b"x"), mode="w:gz")),
    "zip: parent": ("zip", lambda: zip_of(("../evil", b"x"))),
    "zip: absolute": ("zip", lambda: zip_of(("/evil", b"x"))),
    "zip: backslash": ("zip", lambda: zip_of(("..\\evil", b"x"))),
    "zip: symbolic link": ("zip", lambda: zip_of((zip_member("link", stat.S_IFLNK | 0o777), b"/etc/passwd"))),
    "zip: device": ("zip", lambda: zip_of((zip_member("null", stat.S_IFCHR | 0o666), b""))),
}


@pytest.mark.parametrize("case", UNSAFE)
def test_a_member_that_is_no_plain_file_inside_is_refused(case: str, tmp_path: Path) -> None:
    kind, content = UNSAFE[case]
    with pytest.raises(UnsafePathError):
        run(kind, content(), tmp_path)
    assert not (tmp_path / "evil").exists()
    assert tree(tmp_path / "into") == {}


def through_a_link() -> bytes:
    return tar_of((member("dir", tarfile.SYMTYPE, "/tmp"), b""), (member("dir/evil"), b"x"))  # noqa: S108 # as above


def with_a_long_header() -> bytes:
    info = member("x")
    info.pax_headers = {"comment": "y" * (2 << 20)}
    return tar_of((info, b"x"))


def with_a_sparse_file() -> bytes:
    info = member("x", tarfile.GNUTYPE_SPARSE)
    return tar_of((info, b""))


def zip_with_huge_directory() -> bytes:
    content = bytearray(zip_of(("x", b"x")))
    at = content.rfind(b"PK\x05\x06")
    struct.pack_into("<L", content, at + 12, 9 << 20)
    return bytes(content)


def zip64_with_huge_directory() -> bytes:
    """The 32-bit record is harmless; the 64-bit one, which zipfile obeys, is not."""
    content = zip_of(("x", b"x"))
    at = content.rfind(b"PK\x05\x06")
    end64 = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, 1 << 30, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)
    return content[:at] + end64 + locator + content[at:]


def zip64_elsewhere() -> bytes:
    content = zip64_with_huge_directory()
    at = content.rfind(b"PK\x06\x07")
    return content[: at + 8] + struct.pack("<Q", 0) + content[at + 16 :]


def encrypted() -> bytes:
    content = bytearray(zip_of(("x", b"x")))
    content[content.find(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def changed_zip() -> bytes:
    content = bytearray(zip_of((zip_member("x", stat.S_IFREG | 0o644), b"x" * 1000)))
    content[40] ^= 0xFF
    return bytes(content)


HOSTILE: dict[str, tuple[Kind, Callable[[], bytes], str]] = {
    "a file through a link": ("tar", through_a_link, "link"),
    "a path twice": ("tar", lambda: tar_of((member("x"), b"1"), (member("x"), b"2")), "twice"),
    "a file as a folder": ("tar", lambda: tar_of((member("x"), b"1"), (member("x/y"), b"2")), "twice"),
    "the folder itself as a file": ("tar", lambda: tar_of((member("."), b"1")), "twice"),
    "a header of 2 MiB": ("tar", with_a_long_header, "larger than 1 MiB"),
    "a sparse file": ("tar", with_a_sparse_file, "sparse"),
    "more bytes than room": ("tar", lambda: tar_of((member("x"), b"x" * (ROOM + 1))), "larger than the room"),
    "a tar.gz bomb": ("tar.gz", lambda: tar_of((member("x"), bytes(50 << 20)), mode="w:gz"), "larger than the room"),
    "a zip bomb": ("zip", lambda: zip_of(("x", bytes(50 << 20))), "larger than the room"),
    "a zip bomb in litter": ("zip", lambda: zip_of(("__pycache__/x", bytes(50 << 20))), "larger than the room"),
    "too many files": ("zip", lambda: zip_of(*((f"{n}", b"") for n in range(101))), "more than"),
    "too many folders": ("zip", lambda: zip_of(*((f"{n}/", b"") for n in range(101))), "more than"),
    "a huge central directory": ("zip", zip_with_huge_directory, "list of files"),
    "a huge zip64 directory": ("zip", zip64_with_huge_directory, "list of files"),
    "a zip64 record elsewhere": ("zip", zip64_elsewhere, "elsewhere"),
    "an encrypted member": ("zip", encrypted, "encrypted"),
    "no tar": ("tar", lambda: b"hello" * 1000, "damaged"),
    "no gzip": ("tar.gz", lambda: b"hello" * 1000, "damaged"),
    "no zip": ("zip", lambda: b"hello" * 1000, "damaged"),
    "an empty file": ("zip", lambda: b"", "damaged"),
    "a cut gzip": ("tar.gz", lambda: HONEST["tar.gz"]()[:-40], "damaged"),
    "a cut tar": ("tar", lambda: HONEST["tar"]()[:3000], "damaged"),
    "a zip whose content was changed": ("zip", changed_zip, "damaged"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_archive_is_refused(case: str, tmp_path: Path) -> None:
    kind, content, message = HOSTILE[case]
    with pytest.raises(MoorageError, match=message):
        run(kind, content(), tmp_path)


def test_a_bomb_is_stopped_when_the_room_is_full(tmp_path: Path) -> None:
    with pytest.raises(FetchError):
        run("zip", zip_of(("x", bytes(50 << 20))), tmp_path)
    assert sum(path.stat().st_size for path in (tmp_path / "into").rglob("*")) <= ROOM


def test_a_fetch_that_was_given_up_stops_unpacking(tmp_path: Path) -> None:
    path = tmp_path / "download"
    path.write_bytes(HONEST["zip"]())
    with pytest.raises(FetchError, match="given up"):
        unpack("zip", path, tmp_path, Budget(ROOM, cancelled=True))


KINDS: dict[str, tuple[str, bytes, Kind | None]] = {
    "tar by suffix": ("m.tar", b"", "tar"),
    "tgz by suffix": ("M.TGZ", b"", "tar.gz"),
    "tar.gz by suffix": ("m.v1.tar.gz", b"", "tar.gz"),
    "zip by suffix": ("m.zip", b"", "zip"),
    "a torch file stays whole": ("model.pt", HONEST["zip"](), None),
    "an onnx file": ("model.onnx", b"\x08\x07", None),
    "no suffix, zip inside": ("download", HONEST["zip"](), "zip"),
    "no suffix, gzip inside": ("download", gzip.compress(b"x"), "tar.gz"),
    "no suffix, tar inside": ("download", tar_of((member("x"), b"")), "tar"),
    "no suffix, neither": ("download", b"\x08\x07", None),
}


@pytest.mark.parametrize("case", KINDS)
def test_what_a_download_is(case: str, tmp_path: Path) -> None:
    name, content, expected = KINDS[case]
    path = tmp_path / "download"
    path.write_bytes(content)
    assert kind(name, path) == expected
