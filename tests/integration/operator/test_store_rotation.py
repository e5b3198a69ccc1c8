"""A whole rotation of a vector store's key: the operator's runtime, a real API server and a real Weaviate.

Nothing runs pods here, so the test says that the store's are ready; Weaviate runs beside, with the Secret's root key.
"""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from base64 import b64decode
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from moorage_crds import labels, names
from moorage_operator.reconcile.storeusers import DRAIN
from moorage_operator.runtime import connection
from moorage_operator.runtime.clock import SystemClock
from moorage_operator.runtime.process import Process
from moorage_operator.settings import Settings
from tests.integration.operator.plane import Manifest, Plane, child, tenant
from tests.support import weaviate
from tests.support.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

NAME = "storing"
STORE = child("apps/v1", "StatefulSet", NAME, "weaviate")
PREVIOUS = f"{names.WEAVIATE_KEY}{names.PREVIOUS}"


class TurnedClock(SystemClock):
    """The machine's clock, put forward by hand."""

    ahead = timedelta()

    @override
    def now(self) -> datetime:
        """Return the time that it shows."""
        return super().now() + self.ahead


@dataclass
class Operator:
    """The operator's runtime in this process."""

    clock: TurnedClock
    store: str = "http://127.0.0.1:1"
    """Where the tenant's vector store listens; nobody does at first."""


@asynccontextmanager
async def operating(plane: Plane, folder: Path) -> AsyncIterator[Operator]:
    made = Operator(TurnedClock())
    metrics, health = free_ports(2)
    settings = Settings(
        pod_name="operator-inside", listen_address="127.0.0.1", metrics_port=metrics, health_port=health
    )
    process = Process(
        settings,
        connection.from_kubeconfig(plane.operators_kubeconfig(folder)),
        on_death=lambda: None,
        clock=made.clock,
        store_address=lambda _: made.store,
    )
    await process.start()
    try:
        yield made
    finally:
        await process.stop()


async def eventually(plane: Plane, holds: Callable[[], Any], what: str) -> None:
    """Wait beside the operator, which runs in this very process; the store's pods are ready all the while."""

    def look() -> Any:
        say_ready(plane)
        return holds()

    await asyncio.to_thread(plane.wait, look, what)


def secret(plane: Plane) -> dict[str, str]:
    data = (plane.read(child("v1", "Secret", NAME, names.CREDENTIALS)) or {}).get("data") or {}
    return {key: b64decode(value).decode() for key, value in data.items()}


def say_ready(plane: Plane) -> None:
    """Say that the store's pods are ready; their controller, which finds none, takes it back now and then."""
    if plane.read(STORE) is None:
        return
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas"), 1)
    said = {"observedGeneration": (plane.read(STORE) or {})["metadata"]["generation"], **counts}
    path = f"/apis/apps/v1/namespaces/{names.tenant_namespace(NAME)}/statefulsets/weaviate/status"
    headers = {"Content-Type": "application/merge-patch+json"}
    assert plane.kube.request("PATCH", path, json={"status": said}, headers=headers).is_success


def status(address: str, key: str) -> int:
    """Return the status with which the store answers a key."""
    request = urllib.request.Request(f"{address}/v1/schema", headers={"Authorization": f"Bearer {key}"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def touch(plane: Plane, made: Manifest, **annotations: str) -> None:
    assert plane.kube.merge(made, {"metadata": {"annotations": annotations}}).is_success


async def says(plane: Plane, made: Manifest, kind: str, expected: tuple[str, str]) -> None:
    await eventually(plane, lambda: plane.condition(made, kind) == expected, f"{kind} {expected}")


async def test_a_key_is_made_replaced_and_ended_while_the_stores_pods_stay(plane: Plane, tmp_path: Path) -> None:
    async with operating(plane, tmp_path) as operator:
        made = plane.apply(tenant(NAME, inference={"replicas": 0}))
        await eventually(plane, lambda: plane.read(STORE), "the store")
        await says(plane, made, "VectorStoreReady", ("False", "StoreUserPending"))
        assert names.WEAVIATE_KEY not in secret(plane)

        with ExitStack() as running:
            store = weaviate.running(tmp_path / "weaviate", secret(plane)[names.WEAVIATE_ROOT_KEY])
            server = await asyncio.to_thread(running.enter_context, store)
            operator.store = f"http://127.0.0.1:{server.http_port}"
            touch(plane, made, **{"example.com/look": "again"})
            await says(plane, made, "VectorStoreReady", ("True", "Available"))
            first = secret(plane)[names.WEAVIATE_KEY]
            assert status(operator.store, first) == 200
            template = (plane.read(STORE) or {})["spec"]["template"]

            touch(plane, made, **{labels.ROTATE: "now"})
            await eventually(plane, lambda: secret(plane).get(PREVIOUS) == first, "the next key")
            second = secret(plane)[names.WEAVIATE_KEY]
            assert (status(operator.store, first), status(operator.store, second)) == (200, 200)
            await says(plane, made, "CredentialsReady", ("True", "RotatingCredentials"))

            operator.clock.ahead = DRAIN
            touch(plane, made, **{"example.com/look": "once more"})
            await eventually(plane, lambda: PREVIOUS not in secret(plane), "the end of the first key")
            assert (status(operator.store, first), status(operator.store, second)) == (401, 200)
            assert secret(plane)[names.WEAVIATE_KEY] == second
            assert (plane.read(STORE) or {})["spec"]["template"] == template
            await says(plane, made, "CredentialsReady", ("True", "Available"))
