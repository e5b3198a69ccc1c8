"""A real Triton on loopback: the server of the nvidia-pytriton wheel, laid out as in our image, without a GPU.

Installed once into the cache, in a folder named after the lock it came from.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from localcluster.layout import cache_root
from moorage_crds import names
from tests.support.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK = Path(__file__).resolve().parents[2] / "requirements" / "triton.txt"
INFERENCE_KEY = "inference-key"
MANAGEMENT_KEY = "management-key"
_PATIENCE = 60.0
_STUB = "triton_python_backend_stub"
# What the Python backend finds for models: its own folder is on their path, and PYTHONPATH is not.
_FOR_MODELS = ("numpy", "numpy.libs", "onnxruntime")


def installed() -> Path:
    """Return the folder of ``bin`` and ``backends``, installing them when they are not in the cache yet."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    folder = cache_root() / f"triton-{digest}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_suffix(".lock")):
        if not folder.exists():
            _install(folder)
    return folder / "pytriton" / "tritonserver"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time install: two test runs may begin together."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".triton-") as made:
        target = Path(made) / "site"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--require-hashes"]
        subprocess.run([*command, "--target", str(target), "-r", str(LOCK)], check=True)
        server = target / "pytriton" / "tritonserver"
        python = server / "backends" / "python"
        shutil.copy2(server / "python_backend_stubs" / "3.11" / _STUB, python / _STUB)
        for name in _FOR_MODELS:
            (target / name).rename(python / name)
        target.rename(folder)


def flags(repository: Path) -> list[str]:
    """Return Triton's arguments as in the pod template, but for the path of the repository."""
    inference = f"inference,metadata,model-config,statistics:{names.INFERENCE_HEADER}={INFERENCE_KEY}"
    management = f"model-repository,shared-memory,trace,logging:{names.MANAGEMENT_HEADER}={MANAGEMENT_KEY}"
    return [
        f"--model-repository={repository}",
        "--model-control-mode=explicit",
        "--load-model=*",
        "--exit-on-error=false",
        "--strict-readiness=false",
        f"--http-restricted-api={inference}",
        f"--http-restricted-api={management}",
        f"--grpc-restricted-protocol={inference}",
        f"--grpc-restricted-protocol={management}",
    ]


def _three_ports() -> tuple[int, int, int]:
    first, second, third = free_ports(3)
    return first, second, third


@dataclass
class TritonServer:
    """A Triton process that can be killed and started again on the same ports."""

    store: Path
    """Folder of ``repository``."""
    log: Path
    ports: tuple[int, int, int] = field(default_factory=_three_ports)
    """HTTP, gRPC and metrics."""
    more: tuple[str, ...] = ()
    """Further arguments, which win over those of the pod template."""
    process: subprocess.Popen[bytes] | None = None

    @property
    def grpc(self) -> str:
        """Return host and port of gRPC."""
        return f"127.0.0.1:{self.ports[1]}"

    def start(self) -> Self:
        """Start and wait until it is live, which is after its first loads."""
        home = installed()
        (self.store / "repository").mkdir(parents=True, exist_ok=True)
        command = [
            str(home / "bin" / "tritonserver"),
            *flags(self.store / "repository"),
            *self._local(home),
            *self.more,
        ]
        # Model processes take their packages from the python3 on PATH, which must not be a test's environment.
        # In a pod the repository is read-only: models leave no bytecode in it.
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.store), "PYTHONDONTWRITEBYTECODE": "1"}
        with self.log.open("ab") as out:
            # The kernel ends it with us, so that a killed test run leaves nothing behind.
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env=environment,
                cwd=self.store,
            )
        try:
            self._wait()
        except RuntimeError:
            self.kill()
            raise
        return self

    def kill(self) -> None:
        """Kill it and its model processes at once, as the kernel does when a container ends."""
        if self.process is None:
            return
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None
        for left in Path("/dev/shm").glob(f"{self._prefix}*"):  # noqa: S108 # Triton chooses the folder
            left.unlink()

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.kill()

    def is_live(self) -> bool:
        """Tell whether it answers its liveness probe."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[0]}/v2/health/live", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    @property
    def _prefix(self) -> str:
        return f"triton-{self.ports[1]}-"

    def _local(self, home: Path) -> list[str]:
        """Return what only a Triton outside of a pod needs: where its backends are, and ports of its own."""
        http, grpc, metrics = self.ports
        return [
            f"--backend-directory={home / 'backends'}",
            f"--backend-config=python,shm-region-prefix-name={self._prefix}",
            "--http-address=127.0.0.1",
            "--grpc-address=127.0.0.1",
            "--metrics-address=127.0.0.1",
            f"--http-port={http}",
            f"--grpc-port={grpc}",
            f"--metrics-port={metrics}",
        ]

    def _wait(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not self.is_live():
            ended = self.process is None or self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                raise RuntimeError(f"Triton is not live:\n{self.log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.05)
