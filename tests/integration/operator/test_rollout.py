"""How a model's traffic moves on a real API server, with this test in the part of agent, endpoints and people."""

from __future__ import annotations

import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry, start_http_server

from moorage_api.gateway.counters import RevisionCounters
from moorage_api.gateway.errors import ModelFailedError
from moorage_crds import labels, names
from tests.integration.conftest import SYSTEM_NAMESPACE
from tests.integration.operator.plane import Manifest, Plane, child, path_of, tenant
from tests.integration.operator.test_model import MODEL, REVISIONS, model, ready_pod

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("operator")


def hold(plane: Plane, tenant_name: str, *revisions: str) -> None:
    """Say as the pod's agent that it holds these revisions and no others."""
    held = [{"name": one, "state": "Loaded"} for one in revisions]
    replica = {"pod": "triton-0", "podUID": "u-1", "revisions": held, "lastChangeTime": "2030-01-01T00:00:00Z"}
    said = {**child(*MODEL, tenant_name, "m"), "status": {"replicas": [replica]}}
    answer = plane.kube.apply(said, manager=names.agent_field_manager("triton-0"), subresource="status")
    assert answer.is_success, answer.text


def told(plane: Plane, tenant_name: str) -> dict[str, str | None]:
    """Return what agents are told of each revision, by hash."""
    answer = plane.kube.request("GET", REVISIONS.format(tenant_name), params={"labelSelector": labels.MODEL})
    items = [one["metadata"] for one in answer.json()["items"]]
    return {one["name"].rpartition("-")[2]: one.get("annotations", {}).get(labels.INTENT) for one in items}


def traffic(plane: Plane, tenant_name: str) -> dict[str, int]:
    found = plane.read(child(*MODEL, tenant_name, "m")) or {}
    return {one["revision"]: one["weight"] for one in found.get("status", {}).get("traffic", [])}


def serving(plane: Plane, tenant_name: str, **rollout: Any) -> tuple[Manifest, str]:
    """Let a model serve its first revision; returns the model and the revision's hash."""
    plane.apply(tenant(tenant_name))
    plane.wait(lambda: plane.read(child("apps/v1", "StatefulSet", tenant_name, "weaviate")), "the tenant")
    made = model(tenant_name, "m")
    made["spec"]["rollout"] = rollout
    plane.apply(made)
    plane.wait(lambda: told(plane, tenant_name), "the revision")
    (first,) = told(plane, tenant_name)
    plane.apply(ready_pod(tenant_name, "u-1"))
    hold(plane, tenant_name, first)
    plane.wait(lambda: traffic(plane, tenant_name) == {first: 100}, "the traffic", seconds=5)
    return made, first


def change(plane: Plane, made: Manifest, tenant_name: str, content: str) -> str:
    """Change the model as a person does and return the new revision's hash."""
    before = set(told(plane, tenant_name))
    plane.kube.merge(made, {"spec": {"source": {"inline": {"files": {"1/model.onnx": content}}}}})
    plane.wait(lambda: set(told(plane, tenant_name)) - before, "the new revision", seconds=5)
    (new,) = set(told(plane, tenant_name)) - before
    return new


def written(plane: Plane, since: int, tenant_name: str) -> list[str]:
    """Return what the operator wrote for the tenant, the Tenant's own status apart, in order."""
    found = [one for one in plane.writes(since, tenant_name) if one.resource != "tenants"]
    return [f"{one.name}/{one.subresource}".rstrip("/") for one in found]


def test_a_canary_is_written_once_and_comes_back_when_its_status_is_cleared(plane: Plane) -> None:
    made, first = serving(plane, "canary", canary={"weight": 10})
    second = change(plane, made, "canary", "y")
    plane.settle()
    mark = plane.mark()
    hold(plane, "canary", first, second)
    plane.wait(lambda: traffic(plane, "canary") == {first: 90, second: 10}, "the canary", seconds=5)
    plane.settle()
    assert written(plane, mark, "canary") == [f"m-{second}", "m/status"]
    assert plane.condition(made, "Ready") == ("True", "CanaryServing")
    live = plane.read(made)
    assert live
    answer = plane.kube.request("PUT", path_of(made, subresource="status"), json={**live, "status": {}})
    assert answer.is_success, answer.text
    plane.wait(lambda: traffic(plane, "canary") == {first: 90, second: 10}, "the same traffic", seconds=5)


def test_traffic_moves_before_the_old_revision_drains(plane: Plane) -> None:
    made, first = serving(plane, "overlap")
    second = change(plane, made, "overlap", "y")
    plane.settle()
    mark = plane.mark()
    hold(plane, "overlap", first, second)
    plane.wait(lambda: told(plane, "overlap") == {first: "Draining", second: "Wanted"}, "the drain", seconds=5)
    assert traffic(plane, "overlap") == {second: 100}
    plane.wait(lambda: told(plane, "overlap") == {first: None, second: "Wanted"}, "the end of the drain")
    plane.settle()
    assert written(plane, mark, "overlap") == [f"m-{second}", "m/status", f"m-{first}", f"m-{first}"]


def test_recreate_never_tells_agents_to_hold_two_revisions(plane: Plane) -> None:
    made, first = serving(plane, "recreate", strategy="Recreate")
    second = change(plane, made, "recreate", "y")
    plane.wait(lambda: told(plane, "recreate") == {first: "Draining", second: None}, "the drain", seconds=5)
    assert traffic(plane, "recreate") == {}
    plane.wait(lambda: told(plane, "recreate") == {first: None, second: None}, "the end of the drain")
    plane.settle()
    assert told(plane, "recreate") == {first: None, second: None}
    assert plane.condition(made, "Ready") == ("False", "Replacing")
    hold(plane, "recreate")
    plane.wait(lambda: told(plane, "recreate") == {first: None, second: "Wanted"}, "the new revision", seconds=5)
    hold(plane, "recreate", second)
    plane.wait(lambda: traffic(plane, "recreate") == {second: 100}, "the traffic", seconds=5)


def decide(plane: Plane, made: Manifest, **rollout: Any) -> None:
    """Decide as a person does, beside what Git holds."""
    answer = plane.kube.apply({**made, "spec": {"rollout": rollout}}, manager="alice")
    assert answer.is_success, answer.text


def re_apply(plane: Plane, made: Manifest, content: str) -> None:
    """Apply the model as Git holds it, without anybody's decision."""
    source = {"inline": {"files": {"1/model.onnx": content}}}
    answer = plane.kube.apply({**made, "spec": {**made["spec"], "source": source}})
    assert answer.is_success, answer.text


def test_an_aborted_canary_stays_rejected_through_a_re_apply_until_a_retry(plane: Plane) -> None:
    made, first = serving(plane, "abort", canary={"weight": 10})
    re_apply(plane, made, "two")
    plane.wait(lambda: len(told(plane, "abort")) == 2, "the new revision", seconds=5)
    (second,) = set(told(plane, "abort")) - {first}
    hold(plane, "abort", first, second)
    plane.wait(lambda: traffic(plane, "abort") == {first: 90, second: 10}, "the canary", seconds=5)
    plane.settle()
    mark = plane.mark()
    decide(plane, made, decision={"revision": second, "action": "Abort"})
    plane.wait(lambda: told(plane, "abort") == {first: "Wanted", second: None}, "the end of the drain")
    plane.settle()
    assert written(plane, mark, "abort") == [f"m-{second}", "m/status", f"m-{second}", f"m-{second}"]
    assert plane.condition(made, "Ready") == ("False", "Aborted")
    assert traffic(plane, "abort") == {first: 100}
    mark = plane.mark()
    re_apply(plane, made, "two")
    plane.settle()
    assert written(plane, mark, "abort") == []
    decide(plane, made)
    plane.settle()
    assert plane.condition(made, "Ready") == ("False", "Aborted")
    assert plane.kube.merge(made, {"metadata": {"annotations": {labels.RETRY: "now"}}}).is_success
    plane.wait(lambda: told(plane, "abort")[second] == "Wanted", "another try", seconds=5)


def test_a_pinned_revision_serves_through_a_re_apply_of_another(plane: Plane) -> None:
    made, first = serving(plane, "pinned")
    re_apply(plane, made, "two")
    plane.wait(lambda: len(told(plane, "pinned")) == 2, "the new revision", seconds=5)
    (second,) = set(told(plane, "pinned")) - {first}
    hold(plane, "pinned", first, second)
    plane.wait(lambda: traffic(plane, "pinned") == {second: 100}, "the new traffic", seconds=5)
    decide(plane, made, pin=first)
    plane.wait(lambda: traffic(plane, "pinned") == {first: 100}, "the old traffic", seconds=5)
    re_apply(plane, made, "three")
    plane.settle()
    assert set(told(plane, "pinned")) == {first, second}
    assert plane.condition(made, "Ready") == ("True", "Pinned")
    decide(plane, made, pin="00000000")
    plane.wait(lambda: plane.condition(made, "Stalled") == ("True", "RevisionNotFound"), "the refusal", seconds=5)
    assert traffic(plane, "pinned") == {first: 100}


@contextmanager
def gateway(plane: Plane) -> Iterator[RevisionCounters]:
    """Be the one gateway that the operator knows: real counters behind the Service's EndpointSlice."""
    registry = CollectorRegistry()
    counters = RevisionCounters(registry)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("198.51.100.1", 9))  # sends nothing; EndpointSlices take no loopback address
        address = probe.getsockname()[0]
    server, thread = start_http_server(0, address, registry)
    made = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "metrics-by-test",
            "namespace": SYSTEM_NAMESPACE,
            "labels": {"kubernetes.io/service-name": names.API_METRICS},
        },
        "addressType": "IPv4",
        "ports": [{"name": "metrics", "port": server.server_port}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
    }
    plane.apply(made)
    yield counters
    plane.kube.delete(made)
    server.shutdown()
    server.server_close()
    thread.join()


def events(plane: Plane, tenant_name: str) -> set[tuple[str, str]]:
    """Return type and reason of the Events about the tenant's model."""
    path = f"/api/v1/namespaces/{names.tenant_namespace(tenant_name)}/events"
    found = plane.kube.request("GET", path, params={"fieldSelector": "involvedObject.name=m"}).json()["items"]
    return {(one["type"], one["reason"]) for one in found}


def answer(counters: RevisionCounters, tenant_name: str, revision: str, *, failing: bool) -> None:
    for _ in range(20):
        with suppress(ModelFailedError), counters.counting(tenant_name, "m", revision):
            if failing:
                raise ModelFailedError("x")


@pytest.mark.parametrize("failing", [False, True])
def test_what_gateways_count_decides_about_a_canary(plane: Plane, *, failing: bool) -> None:
    name = f"judged-{failing}".lower()
    demands = {"after": "1s", "maxErrorRate": 0.5, "minRequests": 10}
    made, first = serving(plane, name, canary={"weight": 10}, autoPromote=demands)
    second = change(plane, made, name, "y")
    hold(plane, name, first, second)
    plane.wait(lambda: plane.condition(made, "Ready") == ("False", "CanaryWaiting"), "the trial", seconds=5)
    assert traffic(plane, name) == {first: 90, second: 10}
    plane.settle()
    mark = plane.mark()
    with gateway(plane) as counters:
        answer(counters, name, second, failing=failing)
        decided = ("False", "CanaryFailed") if failing else ("True", "Loaded")
        plane.wait(lambda: plane.condition(made, "Ready") == decided, "the verdict")
        assert traffic(plane, name) == ({first: 100} if failing else {second: 100})
    told_people = ("Warning", "CanaryFailed") if failing else ("Normal", "Loaded")
    plane.wait(lambda: told_people in events(plane, name), "the Event", seconds=5)
    loser = second if failing else first
    plane.wait(lambda: told(plane, name)[loser] is None, "the end of the drain")
    plane.settle()
    assert written(plane, mark, name)[-4:] == [f"m-{second}", "m/status", f"m-{loser}", f"m-{loser}"]
