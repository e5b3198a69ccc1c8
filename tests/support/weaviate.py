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
from moorage_crds import names
from tests.support.ports import free_ports
from tests.support.tls import Identity

_PATIENCE = 60.0
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class WeaviateServer:
    """A running Weaviate."""

    http_port: int
    grpc_port: int
    key: str
    """The root key, unless a fixture has put a user's in its place."""
    next_key: str
    """Accepted too, and of the root as well."""


@contextmanager
def running(
    folder: Path, key: str = "weaviate-test-key", identity: Identity | None = None, *, is_open: bool = False
) -> Iterator[WeaviateServer]:
    """Run a Weaviate whose files are below ``folder``; it is stopped when the block ends.

    With an ``identity`` both its APIs speak TLS. One that ``is_open`` lets everybody in, and takes no key.
    """
    http, grpc, gossip, data, raft, rpc = free_ports(6)
    folder.mkdir(parents=True, exist_ok=True)
    environment = _environment(folder, key) | {
        "GRPC_PORT": str(grpc),
        "CLUSTER_GOSSIP_BIND_PORT": str(gossip),
        "CLUSTER_DATA_BIND_PORT": str(data),
        "RAFT_PORT": str(raft),
        "RAFT_INTERNAL_RPC_PORT": str(rpc),
    }
    environment |= _open() if is_open else {}
    environment |= _grpc_identity(identity)
    argv = [str(_binary()), *_listening(http, identity)]
    log = folder / "weaviate.log"
    with log.open("wb") as output:
        process = subprocess.Popen(argv, env=environment, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait(process, http, log, identity)
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
        "AUTHENTICATION_APIKEY_USERS": names.WEAVIATE_ROOT,
        "AUTHENTICATION_DB_USERS_ENABLED": "true",
        "AUTHORIZATION_RBAC_ENABLED": "true",
        "AUTHORIZATION_RBAC_ROOT_USERS": names.WEAVIATE_ROOT,
        "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false",
        "AUTOSCHEMA_ENABLED": "false",
        "DEFAULT_VECTORIZER_MODULE": "none",
        "DISABLE_TELEMETRY": "true",
        "GO_PROFILING_DISABLE": "true",
    }


def _open() -> dict[str, str]:
    return {
        "AUTHENTICATION_APIKEY_ENABLED": "false",
        "AUTHENTICATION_DB_USERS_ENABLED": "false",
        "AUTHORIZATION_RBAC_ENABLED": "false",
        "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "true",
    }


def _grpc_identity(identity: Identity | None) -> dict[str, str]:
    return {"GRPC_CERT_FILE": str(identity.certificate), "GRPC_KEY_FILE": str(identity.key)} if identity else {}


def _listening(port: int, identity: Identity | None) -> list[str]:
    if identity is None:
        return [f"--host={_LOOPBACK}", f"--port={port}", "--scheme=http"]
    files = [f"--tls-certificate={identity.certificate}", f"--tls-key={identity.key}"]
    return [f"--tls-host={_LOOPBACK}", f"--tls-port={port}", "--scheme=https", *files]


def _wait(process: subprocess.Popen[bytes], port: int, log: Path, identity: Identity | None = None) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if _is_ready(port, identity):
            return
        time.sleep(0.1)
    raise RuntimeError(f"Weaviate did not become ready: {log.read_text(errors='replace')[-2000:]}")


def _is_ready(port: int, identity: Identity | None) -> bool:
    scheme, context = ("https", identity.client()) if identity else ("http", None)
    address = f"{scheme}://{_LOOPBACK}:{port}/v1/.well-known/ready"
    try:
        with urllib.request.urlopen(address, timeout=2, context=context) as answer:  # noqa: S310 - loopback, see above
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
