"""What may happen to models while they are asked: each scenario runs under requests and counts what they met.

Every answer is checked against the revision that its header names. The table at the end of the run has a line per
scenario.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from mainjob.providers import SYSTEM_NAMESPACE
from moorage_crds.modeldeployment import parse_spec
from moorage_crds.revision import hash8, snapshot
from tests.e2e.conftest import Moorage, eventually
from tests.e2e.traffic import Outcome, Traffic
from tests.support.e2e import model, tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from tests.e2e.node import Node

FLEET = "fleet"
NAMESPACE = f"tenant-{FLEET}"
MOVING, STEADY = "moving", "steady"
FAILING = """
class TritonPythonModel:
    def execute(self, requests):
        raise RuntimeError("out of order")
"""
"""A model that loads and answers nothing."""
TRIAL = {"canary": {"weight": 10}, "autoPromote": {"after": "5s", "minRequests": 20, "maxErrorRate": 0.01}}

pytestmark = pytest.mark.timeout(300)


@dataclass
class Fleet:
    """A tenant with a model that scenarios change and a neighbour that they leave alone."""

    moorage: Moorage
    traffic: Traffic
    tenant_id: str
    record: Callable[[str, Outcome], None] = field(repr=False)

    def deploy(self, name: str, factor: int, **spec: Any) -> str:
        """Apply a model that multiplies by ``factor`` and return its revision."""
        manifest = model(FLEET, name, factor=factor)
        manifest["spec"] |= spec
        revision = hash8(snapshot(self.tenant_id, name, parse_spec(manifest)))
        self.traffic.expected.setdefault(name, {})[revision] = factor
        self.moorage.apply(manifest)
        return revision

    def status(self, name: str) -> dict[str, Any]:
        """Return a model's status."""
        found = self.moorage.kubectl.get("modeldeployment", name, "--namespace", NAMESPACE)
        return dict(found.get("status", {}))

    def pods(self) -> list[dict[str, Any]]:
        """Return the Triton pods that are not being deleted."""
        found = self.moorage.kubectl.get("pods", "--namespace", NAMESPACE, "--selector=moorage.dev/component=triton")
        return [one for one in found["items"] if "deletionTimestamp" not in one["metadata"]]

    def is_settled(self, replicas: int = 1) -> bool:
        """Tell whether that many replicas hold what traffic names and nothing else, for both models."""
        return all(self._is_settled(self.status(name), replicas) for name in (MOVING, STEADY))

    def _is_settled(self, status: dict[str, Any], replicas: int) -> bool:
        serving = {(share["revision"], "Loaded") for share in status.get("traffic", ())}
        live = {pod["metadata"]["uid"] for pod in self.pods()}
        entries = [one for one in status.get("replicas", ()) if one["podUID"] in live]
        held = [{(each["name"], each["state"]) for each in entry["revisions"]} for entry in entries]
        return len(live) == replicas and held == [serving] * replicas

    def ends(self, scenario: str, outcome: Outcome) -> Outcome:
        """Enter the outcome into the table, and refuse wrong answers whatever the scenario."""
        self.record(scenario, outcome)
        assert outcome.wrong == []
        return outcome


@pytest.fixture(scope="module")
def fleet(moorage: Moorage, record: Callable[[str, Outcome], None]) -> Iterator[Fleet]:
    """The tenant, its two models settled."""
    moorage.apply(tenant(FLEET))
    moorage.kubectl.run("wait", f"tenant/{FLEET}", "--for=condition=IsolationReady", "--timeout=60s")
    inside = ["exec", "--namespace", SYSTEM_NAMESPACE, "deployment/moorage-api", "--", "moorage-api", "create-key"]
    key = moorage.kubectl.run(*inside, "--tenant", FLEET, "--service-account", "e2e", "--role", "user")
    traffic = Traffic(f"{moorage.url}/api/v1/tenants/{FLEET}", key.strip(), {})
    made = Fleet(moorage, traffic, moorage.kubectl.get("tenant", FLEET)["status"]["tenantID"], record)
    made.deploy(MOVING, 2)
    made.deploy(STEADY, 7)
    eventually("both models are settled", made.is_settled, patience=90)
    yield made
    moorage.kubectl.run("delete", "tenant", FLEET, "--timeout=120s")


def test_an_update_fails_no_request(fleet: Fleet) -> None:
    with fleet.traffic.during() as outcome:
        revision = fleet.deploy(MOVING, 3)
        eventually("the new revision is stable", lambda: fleet.status(MOVING).get("stableRevision") == revision)
        eventually("the old one is unloaded", fleet.is_settled, patience=90)
    met = fleet.ends("update", outcome[0])
    assert met.failed == []
    assert revision in met.of(MOVING).revisions


def test_a_bad_neighbour_fails_no_request(fleet: Fleet) -> None:
    scope = ["--namespace", NAMESPACE]
    with fleet.traffic.during() as outcome:
        fleet.moorage.apply(model(FLEET, "broken", code="this is no Python"))
        fleet.moorage.kubectl.run("wait", "modeldeployment/broken", *scope, "--for=condition=Stalled", "--timeout=60s")
        fleet.moorage.kubectl.run("delete", "modeldeployment", "broken", *scope)
        eventually("only the good ones are left", fleet.is_settled)
    assert fleet.ends("bad model beside good ones", outcome[0]).failed == []


def test_a_bad_revision_leaves_the_serving_one(fleet: Fleet) -> None:
    good = fleet.status(MOVING)["stableRevision"]
    factor = fleet.traffic.expected[MOVING][good]
    bad = model(FLEET, MOVING, code="this is no Python")
    scope = ["--namespace", NAMESPACE, "--timeout=60s"]
    with fleet.traffic.during() as outcome:
        fleet.moorage.apply(bad)
        fleet.moorage.kubectl.run("wait", f"modeldeployment/{MOVING}", *scope, "--for=condition=Stalled")
        assert fleet.status(MOVING)["modelStatus"]["transitionStatus"] == "BlockedByFailedLoad"
        assert fleet.deploy(MOVING, int(factor)) == good
        fleet.moorage.kubectl.run("wait", f"modeldeployment/{MOVING}", *scope, "--for=condition=Ready")
    met = fleet.ends("bad revision, then the good one again", outcome[0])
    assert met.failed == []
    assert met.of(MOVING).revisions == {good}


def test_a_canary_is_promoted_by_its_requests(fleet: Fleet) -> None:
    with fleet.traffic.during() as outcome:
        revision = fleet.deploy(MOVING, 5, rollout=TRIAL)
        eventually("the canary gets its share", lambda: _weights(fleet) == [90, 10])
        eventually("it is promoted", lambda: fleet.status(MOVING)["stableRevision"] == revision, patience=90)
        eventually("the old one is unloaded", fleet.is_settled, patience=90)
    met = fleet.ends("canary 10 %, promoted", outcome[0])
    assert met.failed == []
    assert len(met.of(MOVING).revisions) == 2


def test_a_canary_that_fails_is_rolled_back(fleet: Fleet) -> None:
    good = fleet.status(MOVING)["stableRevision"]
    bad = model(FLEET, MOVING, code=FAILING)
    bad["spec"]["rollout"] = TRIAL
    with fleet.traffic.during() as outcome:
        fleet.moorage.apply(bad)
        eventually("it is rejected", lambda: _reason(fleet) == "CanaryFailed", patience=90)
        assert _weights(fleet) == [100]
        rejected = time.monotonic()
        eventually("it is unloaded", fleet.is_settled, patience=90)
    met = fleet.ends("bad canary, rolled back by itself", outcome[0])
    assert met.of(STEADY).failed == []
    assert met.of(MOVING).failed, "a canary that nobody asked cannot have been judged"
    assert met.of(MOVING).revisions == {good}
    assert [one for one in met.failed if one.began > rejected + 1] == []


def test_a_rollback_by_hand_fails_no_request(fleet: Fleet, admin: httpx.Client) -> None:
    old = fleet.deploy(MOVING, 5)
    eventually("the good revision is stable", lambda: _reason(fleet) == "Loaded", patience=90)
    new = fleet.deploy(MOVING, 6)
    eventually("the new one is stable", lambda: fleet.status(MOVING)["stableRevision"] == new, patience=90)
    path = f"/tenants/{FLEET}/models/{MOVING}/rollback"
    with fleet.traffic.during() as outcome:
        assert admin.post(path, json={}).status_code == 200
        eventually("the old one serves", lambda: fleet.status(MOVING)["stableRevision"] == old, patience=90)
        eventually("the new one is unloaded", fleet.is_settled, patience=90)
        assert admin.delete(path).is_success
        eventually("the spec counts again", lambda: fleet.status(MOVING)["stableRevision"] == new, patience=90)
    assert fleet.ends("rollback by hand, and back", outcome[0]).failed == []


def _weights(fleet: Fleet) -> list[int]:
    return [share["weight"] for share in fleet.status(MOVING).get("traffic", ())]


def _reason(fleet: Fleet) -> str:
    conditions = fleet.status(MOVING).get("conditions", ())
    return next((str(one["reason"]) for one in conditions if one["type"] == "Ready"), "")


def test_a_killed_agent_fails_no_request(fleet: Fleet, node: Node) -> None:
    [pod] = fleet.pods()
    with fleet.traffic.during() as outcome:
        node.kill(pod, "agent")
        eventually("the agent was restarted", lambda: _restarts(fleet.pods()[0], "agent") > _restarts(pod, "agent"))
        eventually("the models are settled", fleet.is_settled)
    assert fleet.ends("agent killed", outcome[0]).failed == []


def test_a_killed_triton_serves_again_by_itself(fleet: Fleet, node: Node) -> None:
    [pod] = fleet.pods()
    with fleet.traffic.during() as outcome:
        node.kill(pod, "triton")
        eventually("Triton was restarted", lambda: _restarts(fleet.pods()[0], "triton") > _restarts(pod, "triton"))
        eventually("the models are settled", fleet.is_settled)
        eventually("both models answer", lambda: _answers(fleet))
    met = fleet.ends("Triton killed", outcome[0])
    assert met.failed, "a single replica that is killed cannot have answered all the time"


def test_a_deleted_pod_is_replaced(fleet: Fleet) -> None:
    [pod] = fleet.pods()
    with fleet.traffic.during() as outcome:
        fleet.moorage.kubectl.run("delete", "pod", pod["metadata"]["name"], "--namespace", NAMESPACE, "--wait=false")
        eventually("another pod is there", lambda: [one["metadata"]["name"] for one in fleet.pods()] != [_name(pod)])
        eventually("the models are settled", fleet.is_settled, patience=90)
        eventually("both models answer", lambda: _answers(fleet))
    fleet.ends("pod deleted", outcome[0])


def test_scaling_to_three_and_back_serves_all_the_time(fleet: Fleet) -> None:
    with fleet.traffic.during() as outcome:
        _scale(fleet, 3)
        eventually("three replicas hold both models", lambda: fleet.is_settled(3), patience=120)
        _scale(fleet, 1)
        eventually("one replica is left", lambda: fleet.is_settled(1), patience=120)
    met = fleet.ends("scaled 1 -> 3 -> 1", outcome[0])
    assert met.failed == []


def test_a_restarted_container_runtime_fails_no_request(fleet: Fleet, node: Node) -> None:
    with fleet.traffic.during() as outcome:
        node.restart_runtime()
        inside = ["exec", "deployment/triton", "--namespace", NAMESPACE, "--container", "triton", "--", "python3", "-V"]
        eventually("the runtime starts processes again", lambda: fleet.moorage.kubectl.run(*inside))
        eventually("the models are settled", fleet.is_settled)
    assert fleet.ends("container runtime restarted", outcome[0]).failed == []


def _scale(fleet: Fleet, replicas: int) -> None:
    patch = json.dumps({"spec": {"inference": {"replicas": replicas}}})
    fleet.moorage.kubectl.run("patch", "tenant", FLEET, "--type=merge", f"--patch={patch}")


def _name(pod: dict[str, Any]) -> str:
    return str(pod["metadata"]["name"])


def _restarts(pod: dict[str, Any], container: str) -> int:
    statuses = [*pod["status"].get("containerStatuses", ()), *pod["status"].get("initContainerStatuses", ())]
    return int(next(one["restartCount"] for one in statuses if one["name"] == container))


def _answers(fleet: Fleet) -> bool:
    with fleet.traffic.during() as outcome:
        pass
    return bool(outcome[0].samples) and not outcome[0].failed
