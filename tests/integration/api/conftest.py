"""The API in this process against a real API server, with exactly the rights that the chart gives it."""

from __future__ import annotations

import asyncio
import io
import logging
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from moorage_api.kube import client
from moorage_api.observability import logs
from tests.support import api as support
from tests.support.loops import closed_connections  # noqa: F401 # a fixture works by being known here

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from localcluster.controlplane import ControlPlane
    from tests.support.kube import Kube, Manifest

_PAUSE = 0.02
_ACCOUNT = "system:serviceaccount:moorage-system:moorage-api"


@pytest.fixture(autouse=True, scope="session")
def _logs() -> Iterator[None]:
    """Log as the server does, but to nowhere."""
    handler = logs.configure("INFO", io.StringIO())
    yield
    logging.getLogger().removeHandler(handler)


@pytest.fixture
async def api(control_plane: ControlPlane, tmp_path: Path) -> AsyncIterator[support.Api]:
    """A running API with an empty database that has seen the whole cluster."""
    settings = support.settings(tmp_path, kubeconfig=control_plane.kubeconfig)
    async with client.connect(settings) as kubernetes:
        kubernetes.set_default_header("Impersonate-User", _ACCOUNT)  # type: ignore[no-untyped-call]  # untyped client
        async with support.serving(settings, kubernetes, watch=True) as running:
            await asyncio.wait_for(running.services.cache.wait_ready(), 30)
            yield running


@pytest.fixture
async def admin(api: support.Api) -> dict[str, str]:
    """Headers of a platform admin."""
    return await api.signed_in(await api.user("root", "admin"))


@pytest.fixture
def name() -> str:
    """A name that no other test uses: the API server outlives each of them."""
    return f"t-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def tenant_of_kubectl(kube: Kube, api: support.Api) -> Callable[..., Any]:
    """A function that makes a Tenant with its namespace as people and the operator do, and waits until it is seen."""

    async def make(name: str, *, manager: str = "flux", **spec: Any) -> Manifest:
        tenant = {
            "apiVersion": "moorage.dev/v1alpha1",
            "kind": "Tenant",
            "metadata": {"name": name},
            "spec": spec,
        }
        made = kube.apply(tenant, manager=manager)
        assert made.is_success, made.text
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"tenant-{name}"}}
        assert kube.apply(namespace).is_success
        seen_by_operator(kube, tenant, made.json()["metadata"]["uid"])
        await eventually(lambda: (api.services.cache.tenant(name) or {}).get("status"))
        return tenant

    return make


def seen_by_operator(kube: Kube, tenant: Manifest, uid: str) -> None:
    """Write the status that the operator writes once the namespace is the tenant's."""
    name = tenant["metadata"]["name"]
    status = {"tenantID": uid, "namespace": f"tenant-{name}"}
    answer = kube.apply({**tenant, "spec": {}, "status": status}, manager="moorage-operator", subresource="status")
    assert answer.is_success, answer.text


async def eventually(look: Callable[[], Any], seconds: float = 10) -> Any:
    """Return what ``look`` finds once it finds anything."""
    for _ in range(int(seconds / _PAUSE)):
        if found := look():
            return found
        await asyncio.sleep(_PAUSE)
    pytest.fail(f"nothing was found within {seconds} s")
