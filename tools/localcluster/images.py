"""Build our own images from ``deploy/docker`` into archives a cluster imports, where there is no registry.

Separate because an image is a pure function of files: its tag is the digest of the Dockerfile, of every file
the Dockerfile copies and of the base, so nothing is built twice, and a build sees no file that its tag does
not cover. For people: ``PYTHONPATH=tools python3 -m localcluster.images [name...]``.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from localcluster import hostpip, rootfs
from localcluster.buildah import Buildah
from localcluster.gotools import GoTools
from localcluster.layout import cache_root

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

NAMES = ("operator", "agent", "api", "triton", "weaviate")
REGISTRY = "moorage.local"
"""The first part of every image name; no such host exists and none is ever asked."""

_TAG_LENGTH = 12
_KEPT = 3
"""Archives of one image that stay, so that switching between branches builds nothing."""

_REPOSITORY = Path(__file__).resolve().parents[2]


class BuildError(Exception):
    """An image could not be built; the message ends with the last words of the tools."""


@dataclass(frozen=True)
class BuiltImage:
    """An image in an archive that ``ctr -n k8s.io images import`` reads."""

    name: str
    tag: str
    archive: Path

    @property
    def reference(self) -> str:
        """Return what a pod's ``image`` field says."""
        return f"{self.name}:{self.tag}"


@dataclass(frozen=True)
class Recipe:
    """What one image is made of."""

    name: str
    dockerfile: Path
    context: Path
    """The folder that the Dockerfile's COPY lines start from."""

    def sources(self) -> tuple[str, ...]:
        """Return what the Dockerfile copies out of its context."""
        return copied(self.dockerfile.read_text())

    def files(self) -> list[Path]:
        """Return every file the image is made of, in a fixed order; bytecode is not, being made anew."""
        return [file for source in self.sources() for file in _files(self.context / source)]

    def tag(self, base: str) -> str:
        """Return the digest of all inputs."""
        digest = hashlib.sha256(f"{base}\0".encode())
        digest.update(self.dockerfile.read_bytes())
        for file in self.files():
            header = f"\0{file.relative_to(self.context)}\0{_mode(file):o}\0{file.stat().st_size}\0"
            digest.update(header.encode())
            with file.open("rb") as data:
                digest.update(hashlib.file_digest(data, "sha256").digest())
        return digest.hexdigest()[:_TAG_LENGTH]

    def stage(self, into: Path) -> Recipe:
        """Copy exactly the files the tag covers, with times and modes that do not differ between checkouts."""
        dockerfile = into.with_name(self.dockerfile.name)
        shutil.copyfile(self.dockerfile, dockerfile)
        for source in self.sources():
            target = into / source if (self.context / source).is_dir() else (into / source).parent
            target.mkdir(parents=True, exist_ok=True)
        for file in self.files():
            target = into / file.relative_to(self.context)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
            target.chmod(_mode(file))
        for path in [*into.rglob("*"), into]:
            if path.is_dir():
                path.chmod(0o755)
            os.utime(path, (0, 0))
        return Recipe(self.name, dockerfile, into)


def recipe_of(name: str, cache: Path, repo_root: Path) -> Recipe:
    """Return the recipe of an image. Weaviate's context is the folder of its binary, the others' the repository."""
    if name not in NAMES:
        raise BuildError(f"there is no image {name!r}, only {', '.join(NAMES)}")
    context = GoTools(cache).path("weaviate-server").parent if name == "weaviate" else repo_root
    return Recipe(name, repo_root / "deploy" / "docker" / f"{name}.Dockerfile", context)


def build_all(cache: Path, repo_root: Path, wanted: Collection[str] = NAMES) -> dict[str, BuiltImage]:
    """Build what is missing of the wanted images and return all of them by name.

    Raises BuildError. Safe to call from several processes at once; one builds, the others wait and find it done.
    """
    chosen = [recipe_of(name, cache, repo_root) for name in wanted]
    folder = cache / "images"
    images = {recipe.name: _image(folder, recipe) for recipe in chosen}
    missing = [recipe for recipe in chosen if not images[recipe.name].archive.is_file()]
    if missing:
        _require_tools()
        with _locked(folder), _scratch(folder) as scratch:
            workshop = _Workshop(folder, scratch)
            for recipe in missing:
                workshop.make(recipe, images[recipe.name])
    return images


@dataclass(frozen=True)
class _Workshop:
    """The part that runs tools; needs the lock of its folder."""

    folder: Path
    scratch: Path

    def make(self, recipe: Recipe, image: BuiltImage) -> None:
        if image.archive.is_file():
            return
        log = self.folder / f"{recipe.name}.log"
        log.unlink(missing_ok=True)
        try:
            self._make(recipe, image, log)
        except subprocess.CalledProcessError as error:
            told = f"{error.cmd[0]} ended with {error.returncode}:\n{_last_words(log)}"
            raise BuildError(f"image {recipe.name}: {told}\nAll it said: {log}") from error

    def _make(self, recipe: Recipe, image: BuiltImage, log: Path) -> None:
        buildah = Buildah(self.folder / "store", log)
        buildah.prepare()
        base = self._base(buildah, log)
        context = self.scratch / recipe.name
        context.mkdir()
        staged = recipe.stage(context)
        if staged.tag(rootfs.key()) != image.tag:
            raise BuildError(f"image {recipe.name}: its sources changed while the build began; build again")
        secrets = hostpip.secrets(self.scratch)
        buildah.build(staged.dockerfile, context, image.reference, args={"BASE": base}, secrets=secrets)
        staging = self.scratch / image.archive.name
        buildah.archive(image.reference, staging)
        staging.rename(image.archive)
        self._prune(recipe, image, buildah)

    def _base(self, buildah: Buildah, log: Path) -> str:
        reference = f"{REGISTRY}/base:{rootfs.key()}"
        if not buildah.has(reference):
            archive = self.scratch / "base.tar"
            rootfs.make(archive, log)
            buildah.import_root(archive, reference)
            archive.unlink()
        return reference

    def _prune(self, recipe: Recipe, image: BuiltImage, buildah: Buildah) -> None:
        """Drop the oldest archives of this image, and with each its layers in the store."""
        archives = sorted(
            self.folder.glob(f"{recipe.name}-{'?' * _TAG_LENGTH}.tar"), key=lambda path: path.stat().st_mtime
        )
        for old in archives[:-_KEPT]:
            old.unlink()
            reference = f"{image.name}:{old.stem.removeprefix(recipe.name + '-')}"
            if buildah.has(reference):
                buildah.untag(reference)


def copied(dockerfile: str) -> tuple[str, ...]:
    """Return the sources of a Dockerfile's COPY lines that come from the context, not from another stage."""
    lines = [line.split() for line in re.findall(r"^COPY (.+)$", dockerfile, re.MULTILINE)]
    from_context = [words for words in lines if not any(word.startswith("--from=") for word in words)]
    return tuple(word for words in from_context for word in words[:-1] if not word.startswith("--"))


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)


def _mode(file: Path) -> int:
    return 0o755 if os.access(file, os.X_OK) else 0o644


def _require_tools() -> None:
    if missing := [tool for tool in ("buildah", "mmdebstrap") if shutil.which(tool) is None]:
        raise BuildError(f"images cannot be built without {' and '.join(missing)}")


def _image(folder: Path, recipe: Recipe) -> BuiltImage:
    try:
        tag = recipe.tag(rootfs.key())
    except FileNotFoundError as error:
        raise BuildError(f"image {recipe.name}: {error.filename} is missing") from error
    return BuiltImage(f"{REGISTRY}/{recipe.name}", tag, folder / f"{recipe.name}-{tag}.tar")


def _last_words(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:]) if log.is_file() else ""


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Give a folder for one run, first removing those of runs that were killed; needs the lock."""
    for left in folder.glob("build-*"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix="build-", dir=folder) as scratch:
        yield Path(scratch)


def main() -> None:
    """Build the named images, all of them by default, and print where they are."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(NAMES))
    for name in parser.parse_args().names or NAMES:
        started = time.monotonic()
        try:
            image = build_all(cache_root(), _REPOSITORY, [name])[name]
        except BuildError as error:
            sys.exit(str(error))
        print(image.name, image.tag, image.archive, f"{time.monotonic() - started:.1f}s", flush=True)


if __name__ == "__main__":
    main()
