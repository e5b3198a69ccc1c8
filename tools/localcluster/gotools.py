"""Build the Go programs of the local cluster and keep them in the user's cache.

Separate because it is the slowest step of a new machine and the only one whose result outlives every
cluster: a binary is stored under a digest of its module files, build flags and Go version, so a changed
``go.mod`` builds anew and an unchanged one costs nothing, from any checkout.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

MODULES = Path(__file__).resolve().parent.parent / "go"
_KUBERNETES_VERSION = "1.36.2"


@dataclass(frozen=True)
class Family:
    """One Go module under ``tools/go``; a module each, since merging them would merge their dependencies."""

    name: str
    binaries: tuple[str, ...]
    ldflags: str = "-s -w"
    seconds: int = 120
    """How long a build takes on two cores; printed as the estimate, nothing depends on it."""
    is_for_tests: bool = False
    """No cluster needs it, only integration tests do."""


def _kubernetes_ldflags() -> str:
    """Stamp the version, which kubelet and API server compare and which an unstamped build reports as v0.0.0."""
    version = "k8s.io/component-base/version"
    major, minor, _ = _KUBERNETES_VERSION.split(".")
    stamps = {"gitVersion": f"v{_KUBERNETES_VERSION}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return " ".join(["-s -w", *(f"-X {version}.{key}={value}" for key, value in stamps.items())])


FAMILIES = (
    Family(
        "kubernetes",
        ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"),
        _kubernetes_ldflags(),
        seconds=360,
    ),
    Family("etcd", ("server",), seconds=40),
    Family("helm", ("helm",), seconds=110),
    Family("coredns", ("coredns",), seconds=130),
    Family("kube-router", ("kube-router",), seconds=100),
    Family("local-path-provisioner", ("local-path-provisioner",), seconds=60),
    Family("metrics-server", ("metrics-server",), seconds=170),
    Family("weaviate", ("weaviate-server",), seconds=230),
    Family("versitygw", ("versitygw",), seconds=130, is_for_tests=True),
)


@dataclass(frozen=True)
class GoTools:
    """Where built binaries live."""

    cache: Path
    families: tuple[Family, ...] = field(default=FAMILIES)

    def folder(self, family: Family) -> Path:
        """Return the folder of one family's binaries, named by the digest of what decides their bytes."""
        return self.cache / "go-tools" / f"{family.name}-{_digest(family)}"

    def path(self, binary: str) -> Path:
        """Return the path of one binary by its program name."""
        for family in self.families:
            if binary in family.binaries:
                return self.folder(family) / binary
        raise KeyError(binary)

    def missing(self) -> list[Family]:
        """Return the families that a cluster needs and that are still to be built."""
        return [one for one in self.families if not one.is_for_tests and not self.is_built(one)]

    def is_built(self, family: Family) -> bool:
        """Tell whether a family's binaries are in the cache."""
        return self.folder(family).is_dir()

    def build(self, family: Family, log: Path) -> None:
        """Build one family into the cache; an interrupted build leaves nothing that looks finished.

        Raises subprocess.CalledProcessError when the compiler fails; its words are in ``log``.
        """
        target = self.folder(family)
        if target.is_dir():
            return
        staging = target.with_name(target.name + f".staging-{os.getpid()}")
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        try:
            self._compile(family, staging, log)
            staging.rename(target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _compile(self, family: Family, into: Path, log: Path) -> None:
        command = ["go", "build", "-trimpath", "-buildvcs=false", "-ldflags", family.ldflags, "-o", f"{into}/", "tool"]
        with log.open("ab") as out:
            subprocess.run(
                command,
                cwd=MODULES / family.name,
                env=os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"},
                stdout=out,
                stderr=subprocess.STDOUT,
                check=True,
            )


def _digest(family: Family) -> str:
    folder = MODULES / family.name
    parts = [family.ldflags.encode(), _go_version().encode()]
    parts += [(folder / name).read_bytes() for name in ("go.mod", "go.sum")]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


_go_version_seen: list[str] = []


def _go_version() -> str:
    if not _go_version_seen:
        out = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=True, cwd="/")
        _go_version_seen.append(out.stdout.strip())
    return _go_version_seen[0]
