"""A real S3 server on loopback: versitygw, whose objects are the files of a folder and which checks signatures."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localcluster.gotools import GoTools
from localcluster.layout import cache_root
from tests.support.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REGION = "eu-central-1"
ACCESS_KEY, SECRET_KEY = "AKIDMOORAGE", "a-secret+key/of-this-test"
_PATIENCE = 20.0


@dataclass(frozen=True)
class S3Server:
    """A running server."""

    port: int
    root: Path
    """Folder whose folders are buckets."""

    @property
    def endpoint(self) -> str:
        """Return its address."""
        return f"https://localhost:{self.port}"

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Make an object, and its bucket where there is none."""
        path = self.root / bucket / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@contextmanager
def s3_server(folder: Path, certificate: Path, key: Path) -> Iterator[S3Server]:
    """Run a server over TLS for as long as the block lasts."""
    program = GoTools(cache_root()).path("versitygw")
    assert program.exists(), "versitygw is not built on this machine; `make integration` builds it"
    made = S3Server(free_ports(1)[0], folder / "objects")
    made.root.mkdir()
    command = [str(program), "--port", f"127.0.0.1:{made.port}", "--region", REGION]
    command += [
        "--cert",
        str(certificate),
        "--key",
        str(key),
        "posix",
        "--sidecar",
        str(folder / "meta"),
        str(made.root),
    ]
    (folder / "meta").mkdir()
    env = {"PATH": os.environ["PATH"], "ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
    with (folder / "s3.log").open("wb") as log, subprocess.Popen(command, env=env, stdout=log, stderr=log) as process:
        try:
            _wait(made.port, process, folder / "s3.log")
            yield made
        finally:
            process.kill()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"versitygw does not listen\n{log.read_text()}")
