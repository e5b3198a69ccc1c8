"""A model's way to Ready, with this test in the part of the agent and of the endpoints' controller."""

from __future__ import annotations

from typing import Any

import pytest

from moorage_crds import labels, names
from tests.integration.operator.plane import Manifest, Plane, child, namespace, tenant

pytestmark = pytest.mark.usefixtures("operator")

MODEL = "moorage.dev/v1alpha1", "ModelDeployment"
REVISIONS = "/apis/apps/v1/namespaces/tenant-{}/controllerrevisions"


def model(tenant_name: str, name: str) -> Manifest:
    spec = {"source": {"inline": {"files": {"1/model.onnx": "x"}}}, "backend": "onnxruntime"}
    return {**child(*MODEL, tenant_name, name), "spec": spec}


def revisions(plane: Plane, tenant_name: str) -> list[str]:
    """Return the revision hashes of the tenant's models."""
    given = {"labelSelector": "moorage.dev/model"}
    answer = plane.kube.request("GET", REVISIONS.format(tenant_name), params=given)
    return [one["metadata"]["name"].rpartition("-")[2] for one in answer.json()["items"]]


def ready_pod(tenant_name: str, uid: str) -> Manifest:
    """Return the EndpointSlice of a Triton pod that is ready."""
    made = child("discovery.k8s.io/v1", "EndpointSlice", tenant_name, "triton-by-test")
    made["metadata"]["labels"] = {"moorage.dev/tenant": tenant_name, "kubernetes.io/service-name": names.TRITON}
    target = {"kind": "Pod", "name": "triton-0", "namespace": names.tenant_namespace(tenant_name), "uid": uid}
    endpoint = {"addresses": ["10.244.0.9"], "conditions": {"ready": True}, "targetRef": target}
    return {**made, "addressType": "IPv4", "ports": [{"name": "http", "port": 8000}], "endpoints": [endpoint]}


def report(plane: Plane, tenant_name: str, model_name: str, **entry: Any) -> None:
    """Say what the pod's agent would say of one revision."""
    replica = {"pod": "triton-0", "podUID": "u-1", "revisions": [entry], "lastChangeTime": "2030-01-01T00:00:00Z"}
    said = {**child(*MODEL, tenant_name, model_name), "status": {"replicas": [replica]}}
    answer = plane.kube.apply(said, manager=names.agent_field_manager("triton-0"), subresource="status")
    assert answer.is_success, answer.text


def test_a_loaded_revision_gets_the_traffic_and_a_failed_one_does_not(plane: Plane) -> None:
    plane.apply(tenant("serving"))
    plane.wait(lambda: plane.read(child("apps/v1", "StatefulSet", "serving", "weaviate")), "the tenant")
    made = plane.apply(model("serving", "m"))
    plane.wait(lambda: revisions(plane, "serving"), "the revision")
    (first,) = revisions(plane, "serving")
    plane.apply(ready_pod("serving", "u-1"))
    report(plane, "serving", "m", name=first, state="Loaded")
    plane.wait(lambda: plane.condition(made, "Ready") == ("True", "Loaded"), "Ready", seconds=5)
    plane.kube.merge(made, {"spec": {"source": {"inline": {"files": {"1/model.onnx": "y"}}}}})
    plane.wait(lambda: len(revisions(plane, "serving")) == 2, "the second revision", seconds=5)
    (second,) = set(revisions(plane, "serving")) - {first}
    report(plane, "serving", "m", name=second, state="LoadFailed", message="no such operator")
    plane.wait(lambda: plane.condition(made, "Stalled") == ("True", "LoadFailed"), "Stalled", seconds=5)
    found = plane.read(made)
    assert found
    assert [one["revision"] for one in found["status"]["traffic"]] == [first]
    assert found["status"]["replicas"][0]["revisions"][0]["name"] == second


def test_a_model_without_a_tenant_waits_and_nothing_is_made_for_it(plane: Plane) -> None:
    home = namespace("orphan")
    home["metadata"]["labels"] = {labels.TENANT: "orphan"}
    plane.apply(home)
    mark = plane.mark()
    made = plane.apply(model("orphan", "m"))
    plane.wait(lambda: plane.condition(made, "Ready") == ("False", "TenantNotFound"), "the condition")
    plane.settle()
    assert revisions(plane, "orphan") == []
    assert plane.children("orphan") == set()
    assert [(one.resource, one.subresource) for one in plane.writes(mark, "orphan")] == [("modeldeployments", "status")]


def test_an_api_server_takes_the_mounts_of_claims_and_needs_no_second_write(plane: Plane) -> None:
    made = plane.apply(tenant("claiming", inference={"modelClaims": ["weights", "models.v2"]}))
    triton = child("apps/v1", "Deployment", "claiming", "triton")
    plane.wait(lambda: plane.read(triton), "Triton")
    plane.settle()
    mark = plane.mark()
    plane.kube.merge(made, {"metadata": {"annotations": {"touched": "yes"}}})
    plane.settle()
    assert plane.writes(mark, "claiming") == []
    plane.kube.merge(made, {"spec": {"inference": {"modelClaims": []}}})

    def volumes() -> set[str]:
        found = plane.read(triton)
        assert found
        return {volume["name"] for volume in found["spec"]["template"]["spec"]["volumes"]}

    plane.wait(lambda: volumes() == {"models", "shm", "tmp", "token"}, "the end of the mounts")


def test_a_folders_first_digest_is_put_on_record_once(plane: Plane) -> None:
    plane.apply(tenant("folders", network={"egress": {"cidrs": ["198.51.100.0/24"]}}))
    plane.wait(lambda: plane.read(child("apps/v1", "StatefulSet", "folders", "weaviate")), "the tenant")
    made = model("folders", "m")
    made["spec"]["source"] = {"uri": "s3://models/m", "s3": {"endpoint": "https://198.51.100.7:9000"}}
    plane.apply(made)
    plane.wait(lambda: revisions(plane, "folders"), "the revision")
    (found,) = revisions(plane, "folders")

    def annotations() -> dict[str, str]:
        revision = plane.read(child("apps/v1", "ControllerRevision", "folders", f"m-{found}"))
        assert revision
        told: dict[str, str] = revision["metadata"]["annotations"]
        return told

    assert annotations() == {labels.INTENT: labels.WANTED, labels.EGRESS_CIDRS: "198.51.100.0/24"}
    report(plane, "folders", "m", name=found, state="Loading", sourceDigest="a" * 64)
    plane.wait(lambda: annotations().get(labels.SOURCE_DIGEST) == "a" * 64, "the record", seconds=5)
    plane.settle()
    mark = plane.mark()
    report(plane, "folders", "m", name=found, state="Loading", sourceDigest="b" * 64)
    plane.settle()
    assert annotations()[labels.SOURCE_DIGEST] == "a" * 64
    assert [one.resource for one in plane.writes(mark, "folders")] == []


def test_agents_get_and_lose_the_right_to_a_sources_secret(plane: Plane) -> None:
    plane.apply(tenant("secretive"))
    plane.wait(lambda: plane.read(child("apps/v1", "StatefulSet", "secretive", "weaviate")), "the tenant")
    made = model("secretive", "m")
    source = {"uri": "https://models.example/m.zip", "sha256": "0" * 64, "credentialsSecretRef": {"name": "mine"}}
    made["spec"]["source"] = source
    plane.apply(made)
    role = child("rbac.authorization.k8s.io/v1", "Role", "secretive", names.SOURCES_ROLE)
    plane.wait(lambda: plane.read(role), "the Role")
    plane.wait(lambda: revisions(plane, "secretive"), "the revision")
    plane.settle()
    agent = plane.kube.service_account(names.tenant_namespace("secretive"), names.AGENT_SERVICE_ACCOUNT)
    mine = {**child("v1", "Secret", "secretive", "mine"), "stringData": {"token": "x"}}
    plane.apply(mine)
    assert agent.get(mine).is_success
    assert agent.get(child("v1", "Secret", "secretive", names.CREDENTIALS)).status_code == 403
    mark = plane.mark()
    plane.kube.merge(made, {"metadata": {"annotations": {"touched": "yes"}}})
    plane.settle()
    assert plane.writes(mark, "secretive") == []
    plane.kube.delete(made)
    (left,) = revisions(plane, "secretive")
    plane.kube.delete(child("apps/v1", "ControllerRevision", "secretive", f"m-{left}"))
    plane.wait(lambda: plane.read(role) is None, "the Role's end")
    plane.wait(lambda: agent.get(mine).status_code == 403, "the right's end")
