"""One real Triton, the real API in front of it on a loopback port, and a cluster whose pods' addresses lead there."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from prometheus_client import CollectorRegistry

from moorage_api.gateway.counters import RevisionCounters
from moorage_api.gateway.proxy import Proxy
from moorage_api.gateway.routing import Replica
from moorage_api.gateway.service import Gateway
from moorage_crds import names, permissions
from tests.support import api as support
from tests.support.loops import closed_connections  # noqa: F401 # a fixture works by being known here
from tests.support.triton import INFERENCE_KEY, TritonServer

ADD, SUBTRACT, FAILING, SLOW = "aaaaaaaa", "bbbbbbbb", "cccccccc", "dddddddd"
TRITON, DEAD, MUTE = "10.244.0.5", "10.244.0.6", "10.244.0.7"
"""Addresses of pods: one that answers, one where nobody listens, one that accepts and says nothing."""

_MODEL = """
import time
import triton_python_backend_utils as pb

class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for request in requests:
            a = pb.get_input_tensor_by_name(request, "A").as_numpy()
            b = pb.get_input_tensor_by_name(request, "B").as_numpy()
            {work}
            answers.append(pb.InferenceResponse([pb.Tensor("SUM", total)]))
        return answers
"""
_WORK = {
    ADD: "total = a + b",
    SUBTRACT: "total = a - b",
    FAILING: "raise ValueError('the weights are gone')",
    SLOW: "time.sleep(3); total = a + b",
}
_CONFIG = """
name: "{name}"
backend: "python"
max_batch_size: 0
input [ {{ name: "A" data_type: TYPE_FP32 dims: [ -1 ] }}, {{ name: "B" data_type: TYPE_FP32 dims: [ -1 ] }} ]
output [ {{ name: "SUM" data_type: TYPE_FP32 dims: [ -1 ] }} ]
parameters {{ key: "revision" value {{ string_value: "{revision}" }} }}
"""


def write_model(repository: Path, revision: str, model: str = "sum") -> None:
    """Write a revision's folder as the agent leaves it for Triton."""
    folder = repository / names.triton_name(model, revision)
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "model.py").write_text(_MODEL.replace("{work}", _WORK[revision]))
    config = _CONFIG.format(name=names.triton_name(model, revision), revision=revision)
    (folder / "config.pbtxt").write_text(config)


@pytest.fixture(scope="session")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """A running Triton that holds four revisions of the model ``sum``."""
    folder = tmp_path_factory.mktemp("triton")
    for revision in _WORK:
        write_model(folder / "repository", revision)
    with TritonServer(folder, folder / "triton.log") as server:
        yield server


@dataclass
class World:
    """The running API, and the cluster as the test makes it."""

    api: support.Api
    port: int
    key: dict[str, str]
    """Headers of an API key that may read models and infer."""
    tenant: dict[str, Any]
    _version: int = field(default=10)

    @property
    def url(self) -> str:
        """The tenant's base path, as ``tritonclient`` takes it."""
        return f"127.0.0.1:{self.port}/api/v1/tenants/acme"

    def observe(self, kind: str, manifest: dict[str, Any]) -> None:
        """Change the cluster as the API sees it."""
        self._version += 1
        scope = {} if kind == "Tenant" else {"namespace": "tenant-acme"}
        manifest["metadata"] |= {"resourceVersion": str(self._version), **scope}
        self.api.services.cache.observe(kind, manifest)

    def pods(self, **addresses: str) -> None:
        """Make these the ready pods: UID -> address."""
        endpoints = [
            {
                "addresses": [address],
                "conditions": {"ready": True},
                "targetRef": {"kind": "Pod", "name": f"triton-{uid}", "uid": uid},
            }
            for uid, address in addresses.items()
        ]
        self.observe("EndpointSlice", {"metadata": {"name": "triton-x"}, "addressType": "IPv4", "endpoints": endpoints})

    def model(self, *holders: str, traffic: dict[str, int], name: str = "sum", held: tuple[str, ...] = ()) -> None:
        """Make a model whose traffic's revisions are loaded on these pods."""
        revisions = [{"name": each, "state": "Loaded"} for each in held or traffic]
        status = {
            "traffic": [
                {"revision": each, "tritonName": names.triton_name(name, each), "weight": weight}
                for each, weight in traffic.items()
            ],
            "replicas": [{"pod": f"triton-{uid}", "podUID": uid, "revisions": revisions} for uid in holders],
        }
        self.observe("ModelDeployment", {"metadata": {"name": name}, "spec": {}, "status": status})

    def inference_key(self, value: str | None, previous: str | None = None) -> None:
        """Make this the tenant's key, or take it away; with ``previous`` it is being rotated."""
        keys = {names.INFERENCE_KEY: value, f"{names.INFERENCE_KEY}{names.PREVIOUS}": previous}
        data = {key: base64.b64encode(each.encode()).decode() for key, each in keys.items() if each is not None}
        self.observe("Secret", {"metadata": {"name": names.CREDENTIALS}, "data": data})


@contextlib.asynccontextmanager
async def listening(app: Any) -> AsyncIterator[int]:
    """Serve an application whose lifespan runs already; yield its port."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
        task = asyncio.create_task(server.serve(sockets=[bound]))
        while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
            await asyncio.sleep(0.01)
        yield bound.getsockname()[1]
        server.should_exit = True
        await task


@pytest.fixture
async def mute() -> AsyncIterator[int]:
    """A port that accepts connections and never answers."""
    async with await asyncio.start_server(_say_nothing, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def _say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


@pytest.fixture
def closed_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


@pytest.fixture
def registry() -> CollectorRegistry:
    """Where the gateway shows what it counts."""
    return CollectorRegistry()


@pytest.fixture
async def world(
    tmp_path: Path, triton: TritonServer, mute: int, closed_port: int, registry: CollectorRegistry
) -> AsyncIterator[World]:
    """The API with tenant ``acme``, whose one pod holds the revision that adds."""
    ports = {TRITON: triton.ports[0], DEAD: closed_port, MUTE: mute}

    def address(replica: Replica) -> str:
        return f"127.0.0.1:{ports[replica.address]}"

    async with (
        support.nowhere() as kubernetes,
        support.serving(support.settings(tmp_path), kubernetes, watch=False) as api,
    ):
        gateway = Gateway(
            api.services.cache,
            Proxy(timeout=1.5, address=address),
            api.services.authenticator,
            counters=RevisionCounters(registry),
        )
        await gateway.open()
        api.app.state.gateway = gateway
        for reflector in api.services.cache._reflectors:  # as after a first list that found nothing
            reflector.listed.set()
            reflector.connected = True
        tenant = support.tenant()
        api.services.cache.observe("Tenant", tenant)
        owner = await api.user("alice")
        await api.grant(owner, tenant, "user")
        key = await api.api_key(owner, tenant, permissions.MODELS_READ, permissions.MODELS_INFER)
        async with listening(api.app) as port:
            made = World(api, port, key, tenant)
            made.pods(u1=TRITON)
            made.model("u1", traffic={ADD: 100})
            made.inference_key(INFERENCE_KEY)
            yield made
        await gateway.close(patience=5)
