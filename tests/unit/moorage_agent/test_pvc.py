"""Files and folders of a mounted claim, honest and hostile."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

import pytest

from moorage_agent.errors import (
    ChecksumError,
    ClaimNotMountedError,
    FetchError,
    NoRoomError,
    SourceInvalidError,
    SourceMissingError,
)
from moorage_agent.sources.budget import Budget
from moorage_agent.sources.pvc import Pvc
from moorage_crds.errors import MoorageError, UnsafePathError
from moorage_crds.modeldeployment import Source
from tests.unit.moorage_agent.test_https import zipped

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES = {"net/1/model.onnx": b"onnx", "net/labels.txt": b"cat\n", "other/secret": b"s"}


class Claim:
    """A claim, and what is fetched from it."""

    def __init__(self, folder: Path) -> None:
        self.claims = folder / "claims"
        self.root = self.claims / "models"
        self.into = folder / "a--0a1b2c3d.partial"
        self.outside = folder / "token"
        self.root.mkdir(parents=True)
        self.into.mkdir()
        self.outside.write_text("t0ken")
        for name, content in FILES.items():
            self.write(name, content)

    def write(self, name: str, content: bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    async def fetch(
        self, path: str, content: bytes | None = None, *, room: int = 1 << 20, files: int = 100
    ) -> dict[str, bytes]:
        digest = None if content is None else hashlib.sha256(content).hexdigest()
        source = Source(uri=f"pvc://{path}", sha256=digest)
        await Pvc(self.claims).fetch(source, self.into, Budget(room, files))
        found = {each.relative_to(self.into).as_posix(): each for each in self.into.rglob("*") if each.is_file()}
        return {name: each.read_bytes() for name, each in found.items()}


@pytest.fixture
def claim(tmp_path: Path) -> Claim:
    return Claim(tmp_path)


@pytest.mark.parametrize("path", ["models/net", "models/net/", "models/./net"])
async def test_a_folder_is_copied(path: str, claim: Claim) -> None:
    assert await claim.fetch(path) == {"1/model.onnx": b"onnx", "labels.txt": b"cat\n"}


async def test_a_claim_itself_is_a_folder_too(claim: Claim) -> None:
    claim.write("lost+found/x", b"x")
    claim.write("net/1/__pycache__/x.pyc", b"x")
    assert await claim.fetch("models/") == FILES


async def test_a_bare_file_keeps_its_name(claim: Claim) -> None:
    assert await claim.fetch("models/net/1/model.onnx") == {"model.onnx": b"onnx"}


async def test_an_archive_is_unpacked_when_its_digest_is_right(claim: Claim) -> None:
    claim.write("m.zip", zipped())
    assert await claim.fetch("models/m.zip", zipped()) == {"1/model.py": b"code"}


async def test_the_claims_own_files_are_left_alone(claim: Claim) -> None:
    await claim.fetch("models/net")
    (claim.into / "labels.txt").write_bytes(b"changed")
    assert (claim.root / "net" / "labels.txt").read_bytes() == b"cat\n"


FAILURES: dict[str, tuple[str, bytes | None, type[MoorageError], str]] = {
    "a claim that is not mounted": ("others/net", None, ClaimNotMountedError, "claim others is not mounted"),
    "nothing there": ("models/none", None, SourceMissingError, "no 'none'"),
    "a file as a folder": ("models/net/labels.txt/x", None, SourceMissingError, "no 'x'"),
    "other bytes": ("models/net/labels.txt", b"dog\n", ChecksumError, "expected SHA-256"),
    "a digest of a folder": ("models/net", b"", FetchError, "net is a folder"),
    "a path above": ("models/../token", None, UnsafePathError, "leaves"),
}


@pytest.mark.parametrize("case", FAILURES)
async def test_a_failure_is_told_apart(case: str, claim: Claim) -> None:
    path, content, error, words = FAILURES[case]
    with pytest.raises(error, match=words):
        await claim.fetch(path, content)
    assert list(claim.into.parent.glob("*.download")) == []


def linked(claim: Claim, name: str, target: Path | str) -> None:
    (claim.root / name).symlink_to(target)


HOSTILE: dict[str, tuple[Callable[[Claim], object], str]] = {
    "a link to a file outside": (lambda claim: linked(claim, "net/x", claim.outside), "models/net"),
    "a link to a folder outside": (lambda claim: linked(claim, "net/x", claim.outside.parent), "models/net"),
    "a link inside": (lambda claim: linked(claim, "net/x", "labels.txt"), "models/net"),
    "a link as the source": (lambda claim: linked(claim, "x", claim.outside), "models/x"),
    "a link on the way": (lambda claim: linked(claim, "x", claim.outside.parent), "models/x/token"),
    "a pipe": (lambda claim: os.mkfifo(claim.root / "net" / "pipe"), "models/net"),
    "a pipe as the source": (lambda claim: os.mkfifo(claim.root / "pipe"), "models/pipe"),
    "a socket": (lambda claim: os.mknod(claim.root / "net" / "socket", stat.S_IFSOCK | 0o600), "models/net"),
    "a name of control characters": (lambda claim: claim.write("net/a\nb", b""), "models/net"),
    "a name that is no text": (lambda claim: (claim.root / "net" / os.fsdecode(b"\xff")).mkdir(), "models/net"),
}


@pytest.mark.parametrize("case", HOSTILE)
async def test_only_plain_files_and_folders_are_copied(case: str, claim: Claim) -> None:
    make, path = HOSTILE[case]
    make(claim)
    with pytest.raises(UnsafePathError):
        await claim.fetch(path)
    assert b"t0ken" not in b"".join(each.read_bytes() for each in claim.into.rglob("*") if each.is_file())


async def test_a_folder_may_not_exceed_the_room(claim: Claim) -> None:
    claim.write("net/big", bytes(10_000))
    with pytest.raises(NoRoomError):
        await claim.fetch("models/net", room=5000)


async def test_a_folder_may_not_hold_too_many_files(claim: Claim) -> None:
    for number in range(20):
        claim.write(f"net/x{number}", b"")
    with pytest.raises(SourceInvalidError, match="more than"):
        await claim.fetch("models/net", files=10)
