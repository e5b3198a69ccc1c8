"""What the agent says arrives at a real API server, under the role and the fence that it has in a tenant namespace.

Runs in the development environment, since it needs none of Triton's packages.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from moorage_agent.errors import KubeError
from moorage_agent.kube import Kube as AgentKube
from moorage_agent.metrics import Metrics
from moorage_agent.report import Pod, Reporter
from moorage_agent.watch import RevisionWatch
from moorage_crds import labels, names
from moorage_crds.modeldeployment import ReplicaRevision

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from localcluster.controlplane import ControlPlane
    from tests.support.kube import Kube, Manifest

NAMESPACE = "tenant-agents"
MODEL = {
    "apiVersion": "moorage.dev/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": "a", "namespace": NAMESPACE},
    "spec": {"source": {"inline": {"files": {"1/model.py": "x"}}}},
}
LOADED = ReplicaRevision(name="0a1b2c3d", state="Loaded")
FAILED = ReplicaRevision(name="0a1b2c3d", state="LoadFailed", message="boom")
TIME = "2026-01-01T00:00:00Z"


def named(kind: str, name: str, version: str = "v1", **rest: Any) -> Manifest:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, **rest}


@dataclass
class Cluster:
    """A tenant namespace with an agent's rights in it."""

    plane: ControlPlane
    kube: Kube
    folder: Path

    def account(self, pod: str) -> tuple[Pod, Path]:
        """Return a pod and the folder of its own bound token, as the projected volume has it."""
        made = self.kube.apply(
            named(
                "Pod",
                pod,
                spec={"serviceAccountName": names.AGENT_SERVICE_ACCOUNT, "containers": [{"name": "x", "image": "x"}]},
            )
        ).json()
        bound = {"kind": "Pod", "apiVersion": "v1", "name": pod, "uid": made["metadata"]["uid"]}
        path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{names.AGENT_SERVICE_ACCOUNT}/token"
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"boundObjectRef": bound}}
        folder = self.folder / pod
        folder.mkdir()
        (folder / "token").write_text(self.kube.request("POST", path, json=asked).json()["status"]["token"])
        (folder / "ca.crt").write_bytes(self.plane.authority.read_bytes())
        return Pod(pod, made["metadata"]["uid"], NAMESPACE), folder

    def entries(self) -> dict[str, Any]:
        """Return the reported replicas by pod."""
        status = self.kube.get(MODEL).json().get("status", {})
        return {entry["pod"]: entry for entry in status.get("replicas", [])}


@pytest.fixture
def cluster(control_plane: ControlPlane, kube: Kube, tmp_path: Path) -> Cluster:
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": names.AGENT_ROLE}
    subject = {"kind": "ServiceAccount", "name": names.AGENT_SERVICE_ACCOUNT, "namespace": NAMESPACE}
    for manifest in (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        named("ServiceAccount", names.AGENT_SERVICE_ACCOUNT),
        named("RoleBinding", "agent", "rbac.authorization.k8s.io/v1", roleRef=role, subjects=[subject]),
    ):
        assert kube.apply(manifest).is_success
    kube.delete(MODEL)
    assert kube.apply(MODEL).is_success
    return Cluster(control_plane, kube, tmp_path)


@asynccontextmanager
async def speaking(cluster: Cluster, pod: str) -> AsyncIterator[tuple[Pod, AgentKube]]:
    who, folder = cluster.account(pod)
    async with aiohttp.ClientSession() as session:
        yield who, AgentKube(session, cluster.plane.url, NAMESPACE, folder)


@asynccontextmanager
async def reporting(cluster: Cluster, pod: str) -> AsyncIterator[Reporter]:
    async with speaking(cluster, pod) as (who, kube):
        reporter = Reporter(who, kube, lambda: TIME, Metrics())
        task = asyncio.create_task(reporter.run())
        yield reporter
        task.cancel()
        await asyncio.wait([task])


async def until(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 # the API server gives no signal
            await asyncio.sleep(0.05)


async def test_two_pods_keep_their_own_entries(cluster: Cluster) -> None:
    async with reporting(cluster, "triton-1") as first, reporting(cluster, "triton-2") as second:
        first.submit({"a": (LOADED,)})
        second.submit({"a": (FAILED,)})
        await until(lambda: set(cluster.entries()) == {"triton-1", "triton-2"})
        assert cluster.entries()["triton-1"]["revisions"] == [{"name": "0a1b2c3d", "state": "Loaded"}]
        assert cluster.entries()["triton-2"]["revisions"][0]["message"] == "boom"
        first.submit({})
        await until(lambda: set(cluster.entries()) == {"triton-2"})


async def test_saying_the_same_again_writes_nothing(cluster: Cluster) -> None:
    async with reporting(cluster, "triton-3") as reporter:
        reporter.submit({"a": (LOADED,)})
        await until(lambda: "triton-3" in cluster.entries())
        before = cluster.kube.get(MODEL).json()["metadata"]["resourceVersion"]
        reporter.forget_sent()
        await asyncio.sleep(1)
        assert cluster.kube.get(MODEL).json()["metadata"]["resourceVersion"] == before


async def test_a_cleared_status_is_filled_again(cluster: Cluster) -> None:
    async with reporting(cluster, "triton-4") as reporter:
        reporter.submit({"a": (LOADED,)})
        await until(lambda: "triton-4" in cluster.entries())
        path = f"/apis/moorage.dev/v1alpha1/namespaces/{NAMESPACE}/modeldeployments/a/status"
        headers = {"Content-Type": "application/merge-patch+json"}
        assert cluster.kube.request("PATCH", path, json={"status": None}, headers=headers).is_success
        assert cluster.entries() == {}
        reporter.forget_sent()
        await until(lambda: "triton-4" in cluster.entries())


async def test_a_model_that_is_gone_is_no_error_for_ever(cluster: Cluster) -> None:
    async with speaking(cluster, "triton-5") as (who, kube):
        body = {"apiVersion": MODEL["apiVersion"], "kind": MODEL["kind"], "metadata": {"name": "gone"}}
        with pytest.raises(KubeError) as raised:
            await kube.apply_status("gone", body, names.agent_field_manager(who.name))
        assert raised.value.status == 404


async def test_revisions_are_listed_and_followed(cluster: Cluster) -> None:
    async with speaking(cluster, "triton-6") as (_, kube):
        watch = RevisionWatch(kube, lambda: None, Metrics())
        task = asyncio.create_task(watch.run())
        await until(lambda: watch.desired is not None)
        revision = named("ControllerRevision", "a-0a1b2c3d", "apps/v1", revision=1, data={"model": "a"})
        revision["metadata"] |= {"labels": {labels.MODEL: "a"}, "annotations": {labels.INTENT: labels.WANTED}}
        assert cluster.kube.apply(revision).is_success
        await until(lambda: set(watch.desired or {}) == {"a--0a1b2c3d"})
        assert cluster.kube.delete(revision).is_success
        await until(lambda: not watch.desired)
        task.cancel()
        await asyncio.wait([task])
