"""The watch cache against a real API server: what it sees, what it keeps when the server goes, and catching up."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from localcluster.controlplane import ControlPlane
from moorage_api.kube.cache import ClusterCache
from moorage_crds import labels, names
from tests.support.kube import Kube

PATIENCE = 20.0


class Relay:
    """A TCP relay to the API server that a test can cut: every connection at once, and new ones too."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        writers = [writer]
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
            writers.append(back)
            await asyncio.gather(_pour(reader, back), _pour(there, writer))
        except (asyncio.CancelledError, ConnectionError):
            pass
        finally:
            for each in writers:
                each.transport.abort()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.fixture
async def relay(control_plane: ControlPlane) -> AsyncIterator[Relay]:
    made = Relay(int(control_plane.url.rpartition(":")[2]))
    await made.open()
    yield made
    await made.cut()


@pytest.fixture
async def cache(control_plane: ControlPlane, relay: Relay) -> AsyncIterator[ClusterCache]:
    configuration = Configuration()
    await config.load_kube_config(str(control_plane.kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
    configuration.host = f"https://127.0.0.1:{relay.port}"
    async with ApiClient(configuration) as api:
        made = ClusterCache(api)
        running = asyncio.create_task(made.run())
        yield made
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


@pytest.fixture
def tenant(kube: Kube) -> str:
    """A tenant's name, its namespace made."""
    name = f"t{uuid.uuid4().hex[:8]}"
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"tenant-{name}"}}).raise_for_status()
    return name


def a_model(tenant: str, name: str = "sum") -> dict[str, Any]:
    return {
        "apiVersion": "moorage.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name, "namespace": f"tenant-{tenant}"},
        "spec": {"source": {"inline": {"files": {"1/model.py": "x"}}}},
    }


def a_slice(tenant: str, name: str = "triton-1", service: str = names.TRITON) -> dict[str, Any]:
    own = {"kubernetes.io/service-name": service, labels.TENANT: tenant}
    endpoint = {"addresses": ["10.244.0.5"], "conditions": {"ready": True}, "targetRef": {"kind": "Pod", "uid": "u1"}}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": f"tenant-{tenant}", "labels": own},
        "addressType": "IPv4",
        "endpoints": [endpoint],
    }


def a_secret(tenant: str, name: str = names.CREDENTIALS) -> dict[str, Any]:
    data = {names.INFERENCE_KEY: base64.b64encode(b"hidden").decode()}
    metadata = {"name": name, "namespace": f"tenant-{tenant}"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


async def create(kube: Kube, *manifests: dict[str, Any]) -> None:
    for manifest in manifests:
        answer = await asyncio.to_thread(kube.create, manifest)
        assert answer.is_success, answer.text


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - the cache tells nobody of changes, the gateway reads it per request
            await asyncio.sleep(0.02)


async def test_it_sees_what_the_gateway_needs_and_nothing_else(kube: Kube, cache: ClusterCache, tenant: str) -> None:
    await cache.wait_ready()
    namespace = f"tenant-{tenant}"
    await create(
        kube,
        {"apiVersion": "moorage.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": tenant}},
        a_model(tenant),
        a_slice(tenant),
        a_slice(tenant, "weaviate-1", "weaviate"),
        a_secret(tenant, "somebody-elses"),
        a_secret(tenant),
    )
    await until(lambda: cache.secret(namespace) is not None and cache.tenant(tenant) is not None)
    await until(lambda: bool(cache.models(namespace)) and bool(cache.endpoint_slices(namespace)))
    assert cache.ready
    assert cache.connected
    assert [each["metadata"]["name"] for each in cache.endpoint_slices(namespace)] == ["triton-1"]
    credentials = cache.secret(namespace)
    assert credentials is not None
    assert credentials.get(names.INFERENCE_KEY) == "hidden"
    await asyncio.to_thread(kube.delete, a_slice(tenant))
    await until(lambda: cache.endpoint_slices(namespace) == [])


async def test_it_serves_on_without_the_server_and_catches_up(
    kube: Kube, cache: ClusterCache, relay: Relay, tenant: str, caplog: pytest.LogCaptureFixture
) -> None:
    namespace = f"tenant-{tenant}"
    await create(kube, a_model(tenant, "kept"), a_model(tenant, "deleted"), a_secret(tenant))
    await until(lambda: len(cache.models(namespace)) == 2 and cache.connected and cache.secret(namespace) is not None)
    await relay.cut()
    await until(lambda: not cache.connected)
    assert cache.ready
    assert [each["metadata"]["name"] for each in cache.models(namespace)] == ["deleted", "kept"]
    await asyncio.to_thread(kube.delete, a_model(tenant, "deleted"))
    await create(kube, a_model(tenant, "new"))
    await relay.open()
    await until(lambda: [each["metadata"]["name"] for each in cache.models(namespace)] == ["kept", "new"])
    await until(lambda: cache.connected)
    assert "hidden" not in caplog.text


async def test_a_version_that_is_too_old_lists_again_and_forgets_what_is_gone(
    kube: Kube, cache: ClusterCache, relay: Relay, tenant: str
) -> None:
    namespace = f"tenant-{tenant}"
    await create(kube, a_model(tenant, "deleted"))
    await until(lambda: len(cache.models(namespace)) == 1 and cache.connected)
    await relay.cut()
    await until(lambda: not cache.connected)
    await asyncio.to_thread(kube.delete, a_model(tenant, "deleted"))
    for reflector in cache._reflectors:
        reflector._version = "1"  # long compacted, or so the watch cache says: 410
    await relay.open()
    await until(lambda: cache.models(namespace) == [])
    assert [each["metadata"]["name"] for each in cache.models(namespace)] == []
