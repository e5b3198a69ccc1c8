"""A real Weaviate of one node as an ordinary child process, configured as the tenant's StatefulSet configures it."""

from __future__ import annotations

import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from localcluster.gotools import GoTools
from localcluster.layout import cache_root
from tests.support.ports import free_ports

_PATIENCE = 60.0
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class WeaviateServer:
    """A running Weaviate."""

    http_port: int
    grpc_port: int
    key: str
    next_key: str
    """Accepted too, as while a key is being rotated."""


@contextmanager
def running(folder: Path, key: str = "weaviate-test-key") -> Iterator[WeaviateServer]:
    """Run a Weaviate whose files are below ``folder``; it is stopped when the block ends."""
    http, grpc, gossip, data, raft, rpc = free_ports(6)
    folder.mkdir(parents=True, exist_ok=True)
    environment = _environment(folder, key) | {
        "GRPC_PORT": str(grpc),
        "CLUSTER_GOSSIP_BIND_PORT": str(gossip),
        "CLUSTER_DATA_BIND_PORT": str(data),
        "RAFT_PORT": str(raft),
        "RAFT_INTERNAL_RPC_PORT": str(rpc),
    }
    argv = [str(_binary()), f"--host={_LOOPBACK}", f"--port={http}", "--scheme=http"]
    log = folder / "weaviate.log"
    with log.open("wb") as output:
        process = subprocess.Popen(argv, env=environment, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait(process, http, log)
            yield WeaviateServer(http, grpc, key, _next(key))
        finally:
            process.terminate()
            process.wait(_PATIENCE)


def is_built() -> bool:
    """Whether the server has been built on this machine."""
    return _binary().exists()


def _binary() -> Path:
    return GoTools(cache_root()).path("weaviate-server")


def _next(key: str) -> str:
    return f"{key}-next"


def _environment(folder: Path, key: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "PERSISTENCE_DATA_PATH": str(folder / "data"),
        "CLUSTER_HOSTNAME": "weaviate-0",
        "CLUSTER_ADVERTISE_ADDR": _LOOPBACK,
        "RAFT_JOIN": "weaviate-0",
        "RAFT_BOOTSTRAP_EXPECT": "1",
        "AUTHENTICATION_APIKEY_ENABLED": "true",
        "AUTHENTICATION_APIKEY_ALLOWED_KEYS": f"{key},{_next(key)}",
        "AUTHENTICATION_APIKEY_USERS": "moorage",
        "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false",
        "AUTOSCHEMA_ENABLED": "false",
        "DEFAULT_VECTORIZER_MODULE": "none",
        "DISABLE_TELEMETRY": "true",
        "GO_PROFILING_DISABLE": "true",
    }


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if _is_ready(port):
            return
        time.sleep(0.1)
    raise RuntimeError(f"Weaviate did not become ready: {log.read_text(errors='replace')[-2000:]}")


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{_LOOPBACK}:{port}/v1/.well-known/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
