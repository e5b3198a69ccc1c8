"""The number of a tenant's Triton pods follows its load: real figures, a real autoscaler, real pods."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from mainjob.providers import SYSTEM_NAMESPACE
from tests.e2e.conftest import Moorage, eventually
from tests.e2e.traffic import Outcome, Traffic
from tests.support.e2e import model, tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CROWD = "crowd"
NAMESPACE = f"tenant-{CROWD}"
SCOPE = ("--namespace", NAMESPACE)
LABOUR = """
import time
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        out = []
        for request in requests:
            until = time.thread_time() + 0.04
            while time.thread_time() < until:
                pass
            value = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
            out.append(pb_utils.InferenceResponse([pb_utils.Tensor("OUT", value * 2)]))
        return out
"""
"""A model that takes 40 ms of CPU for an answer, so that one request after the other keeps a pod busy anywhere."""

INFERENCE = {
    "pythonBackend": "Enabled",
    "modelStore": {"sizeLimit": "64Mi"},
    # More than loading the model takes, far less than answering does.
    "resources": {"requests": {"cpu": "200m", "memory": "256Mi"}},
    "autoscaling": {"min": 1, "max": 2, "targetCPU": 100},
}

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True)
class Crowd:
    """A tenant with an autoscaler and one laborious model."""

    moorage: Moorage
    traffic: Traffic

    def deployment(self) -> dict[str, Any]:
        """Return Triton's Deployment."""
        return self.moorage.kubectl.get("deployment", "triton", *SCOPE)

    def pods(self) -> int:
        """Return how many pods the Deployment asks for."""
        return int(self.deployment()["spec"]["replicas"])

    def holders(self) -> int:
        """Return how many replicas say that they hold the model."""
        entries = self.moorage.kubectl.get("modeldeployment", "labour", *SCOPE)["status"].get("replicas", ())
        return sum(all(one["state"] == "Loaded" for one in entry["revisions"]) for entry in entries)

    def inference_reason(self) -> str:
        """Return the reason of the condition InferenceReady."""
        given = self.moorage.kubectl.get("tenant", CROWD)["status"]["conditions"]
        return next(str(one["reason"]) for one in given if one["type"] == "InferenceReady")

    def change(self, **inference: Any) -> None:
        """Change the Tenant and wait until the operator has met it."""
        patch = json.dumps({"spec": {"inference": inference}})
        self.moorage.kubectl.run("patch", "tenant", CROWD, "--type=merge", f"--patch={patch}")
        eventually("the operator has seen the change", self._is_observed)

    def _is_observed(self) -> bool:
        found = self.moorage.kubectl.get("tenant", CROWD)
        return bool(found["status"]["observedGeneration"] == found["metadata"]["generation"])


@pytest.fixture(scope="module")
def crowd(moorage: Moorage) -> Iterator[Crowd]:
    """The tenant, its model served by one pod."""
    moorage.apply(tenant(CROWD, inference=INFERENCE))
    moorage.kubectl.run("wait", f"tenant/{CROWD}", "--for=condition=IsolationReady", "--timeout=60s")
    moorage.apply(model(CROWD, "labour", code=LABOUR))
    moorage.kubectl.run("wait", "modeldeployment/labour", *SCOPE, "--for=condition=Ready", "--timeout=120s")
    revision = moorage.kubectl.get("modeldeployment", "labour", *SCOPE)["status"]["stableRevision"]
    inside = ["exec", "--namespace", SYSTEM_NAMESPACE, "deployment/moorage-api", "--", "moorage-api", "create-key"]
    key = moorage.kubectl.run(*inside, "--tenant", CROWD, "--service-account", "e2e", "--role", "user").strip()
    traffic = Traffic(f"{moorage.url}/api/v1/tenants/{CROWD}", key, {"labour": {revision: 2.0}})
    with moorage.client(key) as client:
        path = f"/tenants/{CROWD}/v2/models/labour"
        eventually("the gateway knows the model", lambda: client.get(path).status_code == 200, patience=30)
    yield Crowd(moorage, traffic)
    moorage.kubectl.run("delete", "tenant", CROWD, "--timeout=120s")


def test_load_brings_a_second_pod_which_the_operator_leaves_alone(
    crowd: Crowd, record: Callable[[str, Outcome], None]
) -> None:
    assert crowd.pods() == 1
    with crowd.traffic.during() as outcome:
        eventually("the autoscaler asks for a second pod", lambda: crowd.pods() == 2, patience=120)
        eventually("both pods hold the model", lambda: crowd.holders() == 2, patience=60)
        crowd.change(surge=False)
        rolling = crowd.deployment()["spec"]["strategy"]["rollingUpdate"]
        assert rolling["maxSurge"] == 0, "the operator has written the Deployment"
        assert crowd.pods() == 2
    record("a second pod by the autoscaler", outcome[0])
    assert outcome[0].failed == []
    assert outcome[0].wrong == []
    assert crowd.moorage.kubectl.get("horizontalpodautoscaler", "triton", *SCOPE)["status"]["lastScaleTime"]
    eventually("the autoscaler sees the load", lambda: crowd.inference_reason() == "Available")
    assert crowd.pods() == 2


@pytest.mark.usefixtures("crowd")
def test_kubectl_top_tells_what_every_tenants_pods_use(moorage: Moorage) -> None:
    def namespaces() -> set[str]:
        lines = moorage.kubectl.run("top", "pods", "--all-namespaces", "--no-headers").splitlines()
        return {line.split()[0] for line in lines}

    eventually("figures of all pods", lambda: {NAMESPACE, "tenant-acme", SYSTEM_NAMESPACE} <= namespaces())
