"""Call buildah with a store, a policy and an isolation of our own, so that nothing else on the machine matters.

Separate because these flags are what makes a build work without a container daemon and without a registry:
every image is local, every pull is refused, and the machine's own container settings are neither read nor written.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_REGISTRIES = "unqualified-search-registries = []\n"
_POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}\n'
"""Where an image comes from is decided by refusing to pull, not by signatures."""
_ALONE = ("unshare", "--mount", "--propagation=private", "--")
"""Layers are mounted where the machine does not see them: buildah leaves some mounted when it ends."""


@dataclass(frozen=True)
class Buildah:
    """buildah on the store below one folder. What it says goes to ``log``, and a failure is a CalledProcessError."""

    folder: Path
    log: Path

    def prepare(self) -> None:
        """Write the two settings files and free what an interrupted build left behind."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._registries.write_text(_REGISTRIES)
        self._policy.write_text(_POLICY)
        self._run("rm", "--all")

    def has(self, reference: str) -> bool:
        """Return whether the store holds an image of this name."""
        names = self._run("images", "--format", "{{.Name}}:{{.Tag}}").splitlines()
        return reference in names

    def import_root(self, archive: Path, reference: str) -> None:
        """Make an image of one layer out of a tar."""
        container = self._run("from", "scratch").strip()
        self._run("add", "--quiet", container, str(archive), "/")
        self._run("commit", "--quiet", self._trust, "--rm", container, reference)

    def build(
        self, dockerfile: Path, context: Path, reference: str, *, args: Mapping[str, str], secrets: Mapping[str, Path]
    ) -> None:
        """Build one Dockerfile; layers of earlier builds are used again."""
        options = [f"--build-arg={name}={value}" for name, value in args.items()]
        options += [f"--secret=id={name},src={path}" for name, path in secrets.items()]
        options += [f"--file={dockerfile}", f"--tag={reference}"]
        self._run("build", "--layers", "--pull-never", self._trust, *options, str(context))

    def archive(self, reference: str, path: Path) -> None:
        """Write an image as an archive that ``ctr images import`` reads, its layers uncompressed."""
        self._run("push", "--quiet", self._trust, reference, f"docker-archive:{path}:{reference}")

    def untag(self, reference: str) -> None:
        """Forget an image; layers that others share stay."""
        self._run("rmi", reference)

    @property
    def _registries(self) -> Path:
        return self.folder / "registries.conf"

    @property
    def _policy(self) -> Path:
        return self.folder / "policy.json"

    @property
    def _trust(self) -> str:
        return f"--signature-policy={self._policy}"

    @cached_property
    def _driver(self) -> str:
        """Return overlay, or vfs, which copies whole layers, where the file system below cannot carry overlays."""
        command = self._command("overlay", "info")
        tried = subprocess.run(command, capture_output=True, env=self._environment, check=False)
        return "overlay" if tried.returncode == 0 else "vfs"

    @property
    def _environment(self) -> dict[str, str]:
        return os.environ | {"BUILDAH_ISOLATION": "chroot", "CONTAINERS_REGISTRIES_CONF": str(self._registries)}

    def _command(self, driver: str, *arguments: str) -> list[str]:
        store = [f"--root={self.folder}/root", f"--runroot={self.folder}/run", f"--storage-driver={driver}"]
        return [*_ALONE, "buildah", *store, *arguments]

    def _run(self, *arguments: str) -> str:
        command = self._command(self._driver, *arguments)
        with self.log.open("ab") as out:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=out, env=self._environment, text=True, check=False
            )
            out.write(done.stdout.encode())
        done.check_returncode()
        return done.stdout
