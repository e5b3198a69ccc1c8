"""An upgrade of the operator rolls few tenants at a time, with the real controllers and this test as the kubelet."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from moorage_crds import labels, names
from tests.integration.operator.conftest import started
from tests.integration.operator.plane import Manifest, Plane, child, tenant
from tests.integration.operator.process import OperatorProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Start = Callable[..., OperatorProcess]

BUDGET = 5
TENANTS = [f"upgrade-{number:02d}" for number in range(12)]
WITH_STORE = TENANTS[:2]
NEW = "registry.example/new:1"
DEPLOYMENTS = "/apis/apps/v1/deployments"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A control plane of its own: tenants of other tests, whose pods never come up, would take all places."""
    with started(tmp_path_factory) as made:
        yield made


class Kubelet:
    """Says of every pod of these tenants that it is ready, but while it is held."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._held = threading.Event()
        self._ended = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    @contextmanager
    def held(self) -> Iterator[None]:
        self._held.set()
        yield
        self._held.clear()

    def _run(self) -> None:
        while not self._ended.wait(0.2):
            for pod in [] if self._held.is_set() else pods(self._plane):
                if not self._held.is_set() and not is_ready(pod):
                    self._plane.kube.request("PATCH", f"{path_to(pod)}/status", json=READY, headers=MERGE)


MERGE = {"Content-Type": "application/merge-patch+json"}
READY: Manifest = {
    "status": {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2020-01-01T00:00:00Z"}],
    }
}


def path_to(pod: Manifest) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def is_ready(pod: Manifest) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions") or ())


def mine(items: list[Manifest]) -> list[Manifest]:
    own = {names.tenant_namespace(name) for name in TENANTS}
    return [one for one in items if one["metadata"]["namespace"] in own]


def pods(plane: Plane) -> list[Manifest]:
    return mine(plane.kube.request("GET", "/api/v1/pods").json()["items"])


def tritons(plane: Plane) -> list[Manifest]:
    return mine(plane.kube.request("GET", DEPLOYMENTS, params={"labelSelector": labels.TENANT}).json()["items"])


def is_new(workload: Manifest) -> bool:
    spec = workload["spec"]["template"]["spec"]
    return NEW in [one["image"] for one in (*spec.get("initContainers", ()), *spec["containers"])]


def is_done(workload: Manifest) -> bool:
    status = workload["status"]
    counts = [status.get(count, 0) for count in ("replicas", "updatedReplicas", "availableReplicas")]
    return status.get("observedGeneration") == workload["metadata"]["generation"] and counts == [1, 1, 1]


def unfinished(plane: Plane) -> list[str]:
    """Return the tenants whose template was changed and whose pods are not all there."""
    found = [one for one in tritons(plane) if is_new(one) and not is_done(one)]
    return [one["metadata"]["namespace"] for one in found]


class Counter:
    """Counts at each change of a Deployment how many templates are changed and unfinished; a watch misses none."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._unfinished: set[str] = set()
        self.most = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        listed = self._plane.kube.request("GET", DEPLOYMENTS).json()["metadata"]["resourceVersion"]
        params = {"watch": "1", "resourceVersion": listed, "timeoutSeconds": "200", "labelSelector": labels.TENANT}
        with self._plane.kube.client.stream("GET", DEPLOYMENTS, params=params, timeout=None) as answer:
            thread = threading.Thread(target=self._count, args=(answer,), daemon=True)
            thread.start()
            yield

    def _count(self, answer: httpx.Response) -> None:
        with suppress(httpx.StreamError, httpx.TransportError):
            for line in answer.iter_lines():
                for one in mine([json.loads(line)["object"]]):
                    self._take(one)

    def _take(self, workload: Manifest) -> None:
        name = workload["metadata"]["namespace"]
        changed = self._unfinished | {name} if is_new(workload) else self._unfinished
        self._unfinished = changed - {name} if is_done(workload) else changed
        self.most = max(self.most, len(self._unfinished))


SETTLED = {name: ("False", "StoreUserPending") if name in WITH_STORE else ("True", "Available") for name in TENANTS}
"""What tenants say of themselves; behind the pods of these stores there is no Weaviate that could have a user."""


def are_settled(plane: Plane) -> bool:
    return ready(plane) == SETTLED


def are_all_done(plane: Plane) -> bool:
    return are_settled(plane) and all(map(is_new, tritons(plane)))


def ready(plane: Plane) -> dict[str, tuple[str, str] | None]:
    return {name: plane.condition(tenant(name), "Ready") for name in TENANTS}


def are_told_to_wait(plane: Plane) -> bool:
    """Tell whether every tenant that is otherwise ready says that it waits, but those that are being rolled."""
    said = {name for name, condition in ready(plane).items() if condition == ("True", "UpgradeQueued")}
    rolling = set(unfinished(plane))
    return said == {name for name in TENANTS if names.tenant_namespace(name) not in rolling} - set(WITH_STORE)


def store(name: str) -> Manifest:
    return child("apps/v1", "StatefulSet", name, "weaviate")


@pytest.mark.timeout(240)
def test_an_upgrade_rolls_five_tenants_at_once_across_a_crash_of_the_operator(plane: Plane, start: Start) -> None:
    kubelet, counter = Kubelet(plane), Counter(plane)
    first = start("operator-old")
    first.wait_for_leadership()
    with kubelet.running():
        for name in TENANTS:
            spec: dict[str, Any] = {} if name in WITH_STORE else {"vectorStore": {"backend": "None"}}
            plane.apply(tenant(name, **spec))
        plane.wait(lambda: are_settled(plane), "twelve tenants with their pods", seconds=90)
        plane.settle()
        first.stop()

        with counter.running():
            with kubelet.held():
                images = {"MOORAGE_AGENT_IMAGE": NEW, "MOORAGE_WEAVIATE_IMAGE": NEW}
                second = start("operator-new", **images)
                second.wait_for_leadership(seconds=40)
                plane.wait(lambda: second.metric("moorage_operator_upgrades_queued") == 12 - BUDGET, "seven that wait")
                plane.settle()
                rolling = unfinished(plane)
                assert len(rolling) == BUDGET
                assert are_told_to_wait(plane)
                second.kill()
                mark = plane.mark()
                third = start("operator-newer", **images)
                third.wait_for_leadership(seconds=40)
                plane.wait(lambda: third.metric("moorage_operator_upgrades_queued") == 12 - BUDGET, "the same queue")
                plane.settle()
                assert plane.writes(mark) == []
                assert unfinished(plane) == rolling

            plane.wait(lambda: are_all_done(plane), "the upgrade of all twelve", seconds=120)
            assert counter.most == BUDGET
            assert all(is_new(plane.read(store(name)) or {}) for name in WITH_STORE)
