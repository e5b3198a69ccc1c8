"""Endings and returns of a tenant, by a real operator under its real rights."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING, Any

import pytest

from moorage_crds import labels, names
from tests.integration.operator.plane import Manifest, Plane, child, namespace, tenant

if TYPE_CHECKING:
    from tests.integration.operator.process import OperatorProcess

pytestmark = pytest.mark.usefixtures("operator")

STAYING = {
    "limitranges/moorage",
    "networkpolicies/default-deny",
    "networkpolicies/triton",
    "networkpolicies/weaviate",
    "resourcequotas/moorage",
    "rolebindings/moorage-operator",
    "secrets/moorage-credentials",
}


def make(plane: Plane, name: str, **spec: Any) -> Manifest:
    made = plane.apply(tenant(name, **spec))
    plane.wait(lambda: "statefulsets/weaviate" in plane.children(name), f"tenant {name}")
    plane.settle()
    return made


def replicas(plane: Plane, name: str) -> list[int]:
    workloads = (child("apps/v1", "Deployment", name, "triton"), child("apps/v1", "StatefulSet", name, "weaviate"))
    return [(plane.read(one) or {})["spec"]["replicas"] for one in workloads]


def test_suspending_and_resuming_costs_two_writes_each_and_no_new_pod_template(plane: Plane) -> None:
    made = make(plane, "sleepy")
    triton = child("apps/v1", "Deployment", "sleepy", "triton")
    before = (plane.read(triton) or {})["spec"]["template"]
    for suspend, count in ((True, 0), (False, 1)):
        mark = plane.mark()
        plane.kube.merge(made, {"spec": {"suspend": suspend}})
        plane.wait(lambda: len(plane.writes(mark, "sleepy")) >= 2, "the writes")  # noqa: B023 - called at once
        plane.settle()
        assert replicas(plane, "sleepy") == [count, count]
        written = [one.resource for one in plane.writes(mark, "sleepy") if one.subresource != "status"]
        assert sorted(written) == ["deployments", "statefulsets"]
    assert (plane.read(triton) or {})["spec"]["template"] == before


def test_a_retained_namespace_stays_and_is_adopted_by_its_tenant_id(plane: Plane) -> None:
    made = make(plane, "kept", deletionPolicy="Retain", members=[{"kind": "User", "name": "alice", "role": "admin"}])
    secret = plane.uid(child("v1", "Secret", "kept", names.CREDENTIALS))
    known = made["metadata"]["uid"]
    plane.kube.delete(made)
    plane.wait(lambda: plane.read(made) is None, "the Tenant's end")
    assert plane.children("kept") == STAYING

    again = tenant("kept")
    assert plane.apply(again)["metadata"]["uid"] != known
    plane.wait(lambda: plane.condition(again, "Stalled") == ("True", "NamespaceForeign"), "the refusal")
    assert plane.children("kept") == STAYING
    plane.kube.merge(again, {"metadata": {"annotations": {labels.ADOPT: known}}})
    plane.wait(lambda: "statefulsets/weaviate" in plane.children("kept"), "the adoption")
    plane.settle()
    assert (plane.read(again) or {})["status"]["tenantID"] == known
    assert plane.uid(child("v1", "Secret", "kept", names.CREDENTIALS)) == secret
    found = plane.read(namespace("kept")) or {}
    assert found["metadata"]["annotations"][labels.TENANT_ID] == known


def rotation(plane: Plane, name: str) -> list[str | None]:
    """Return the number of the rotation that the Secret and Triton's pods carry."""
    return counted(plane, name, child("apps/v1", "Deployment", name, "triton"), labels.ROTATION)


def root(plane: Plane, name: str) -> list[str | None]:
    """Return how often the Secret and the store's pods say that the root key was made anew."""
    return counted(plane, name, child("apps/v1", "StatefulSet", name, "weaviate"), labels.STORE_ROOT)


def counted(plane: Plane, name: str, workload: Manifest, annotation: str) -> list[str | None]:
    secret = plane.read(child("v1", "Secret", name, names.CREDENTIALS)) or {}
    marked = (secret, (plane.read(workload) or {})["spec"]["template"])
    return [one.get("metadata", {}).get("annotations", {}).get(annotation) for one in marked]


def keys(plane: Plane, name: str) -> dict[str, str]:
    data: dict[str, str] = (plane.read(child("v1", "Secret", name, names.CREDENTIALS)) or {})["data"]
    return data


def test_a_rotation_on_demand_keeps_the_old_keys_until_no_pod_holds_them(plane: Plane) -> None:
    made = make(plane, "rotated")
    before = keys(plane, "rotated")
    mark = plane.mark()
    plane.kube.merge(made, {"metadata": {"annotations": {labels.ROTATE: "now"}}})
    plane.wait(lambda: rotation(plane, "rotated") == ["1", "1"], "the rotation")
    assert root(plane, "rotated") == [None, None]
    during = keys(plane, "rotated")
    assert during[names.WEAVIATE_ROOT_KEY] == before[names.WEAVIATE_ROOT_KEY]
    replaced = {key: value for key, value in before.items() if key != names.WEAVIATE_ROOT_KEY}
    assert {key: during[f"{key}{names.PREVIOUS}"] for key in replaced} == replaced
    assert not {during[key] for key in replaced} & set(before.values())
    assert plane.condition(made, "CredentialsReady") == ("True", "RotatingCredentials")
    # Nothing runs here, so pods never become ready and the old keys stay; a suspended tenant has no pod to wait for.
    plane.settle()
    assert keys(plane, "rotated") == during
    plane.kube.merge(made, {"spec": {"suspend": True}})
    plane.wait(lambda: keys(plane, "rotated").keys() == before.keys(), "the end of the old keys")
    plane.settle()
    assert keys(plane, "rotated") == {key: during[key] for key in before}
    changes = [one for one in plane.writes(mark, "rotated") if one.resource == "secrets"]
    assert [(one.verb, one.code) for one in changes] == [("patch", 200), ("patch", 200)]
    assert [one for one in plane.asked(mark) if one.verb == "get" and not one.is_bookkeeping] == []


def test_a_deleted_secret_is_made_anew_and_rolls_the_pods(plane: Plane) -> None:
    make(plane, "bereft")
    before = keys(plane, "bereft")
    assert plane.kube.delete(child("v1", "Secret", "bereft", names.CREDENTIALS)).is_success
    plane.wait(lambda: rotation(plane, "bereft") == root(plane, "bereft") == ["1", "1"], "the new keys")
    assert not set(keys(plane, "bereft").values()) & set(before.values())


@pytest.mark.parametrize("value", [None, "Y29ycnVwdA=="], ids=["removed", "changed"])
def test_a_key_spoilt_by_hand_is_replaced_and_rolls_the_pods(plane: Plane, value: str | None) -> None:
    name = "removed" if value is None else "changed"
    make(plane, name)
    before = keys(plane, name)
    spoilt = child("v1", "Secret", name, names.CREDENTIALS)
    assert plane.kube.merge(spoilt, {"data": {names.INFERENCE_KEY: value}}).is_success
    plane.wait(lambda: rotation(plane, name) == ["1", "1"], "the new key")
    plane.settle()
    after = keys(plane, name)
    assert after[names.INFERENCE_KEY] not in {value, before[names.INFERENCE_KEY]}
    assert {key: after[key] for key in after if key != names.INFERENCE_KEY} == {
        key: before[key] for key in before if key != names.INFERENCE_KEY
    }
    assert rotation(plane, name) == ["1", "1"]
    assert root(plane, name) == [None, None]


def test_a_label_that_somebody_puts_on_the_secret_rotates_nothing(plane: Plane) -> None:
    make(plane, "labelled")
    mark = plane.mark()
    secret = child("v1", "Secret", "labelled", names.CREDENTIALS)
    assert plane.kube.merge(secret, {"metadata": {"labels": {"mine": "yes"}}}).is_success
    plane.settle()
    assert plane.writes(mark, "labelled") == []


def paused(plane: Plane, manifest: Manifest, value: str | None) -> None:
    assert plane.kube.merge(manifest, {"metadata": {"annotations": {labels.PAUSED: value}}}).is_success


def test_a_paused_tenant_is_neither_repaired_nor_deleted_until_it_is_resumed(plane: Plane) -> None:
    made = make(plane, "paused")
    service = child("v1", "Service", "paused", "triton")
    paused(plane, made, "true")
    plane.wait(lambda: plane.condition(made, "Ready") == ("False", "Paused"), "the pause")
    mark = plane.mark()
    assert plane.kube.delete(service).is_success
    plane.kube.merge(made, {"spec": {"suspend": True}, "metadata": {"annotations": {labels.ROTATE: "now"}}})
    plane.settle()
    assert plane.writes(mark, "paused") == []
    paused(plane, made, None)
    plane.wait(lambda: plane.read(service), "the repair")
    plane.wait(lambda: replicas(plane, "paused") == [0, 0], "the suspension")

    paused(plane, made, "true")
    plane.wait(lambda: (plane.condition(made, "Ready") or ("", ""))[1] == "Paused", "the pause")
    plane.kube.delete(made)
    plane.settle()
    assert plane.read(namespace("paused"))
    paused(plane, made, None)
    plane.wait(lambda: plane.read(made) is None, "the end")


def test_a_paused_model_keeps_its_revision_while_its_tenant_is_worked_on(plane: Plane) -> None:
    made = make(plane, "pausing")
    model = child("moorage.dev/v1alpha1", "ModelDeployment", "pausing", "m")
    plane.apply({**model, "spec": spec_of("x")})
    path = "/apis/apps/v1/namespaces/tenant-pausing/controllerrevisions"

    def revisions() -> int:
        return len(plane.kube.request("GET", path, params={"labelSelector": labels.MODEL}).json()["items"])

    plane.wait(lambda: revisions() == 1, "the revision")
    paused(plane, model, "true")
    plane.wait(lambda: (plane.condition(model, "Ready") or ("", ""))[1] == "Paused", "the pause")
    plane.kube.merge(model, {"spec": spec_of("y")})
    plane.kube.merge(made, {"spec": {"suspend": True}})
    plane.wait(lambda: replicas(plane, "pausing") == [0, 0], "the suspension")
    plane.settle()
    assert revisions() == 1
    paused(plane, model, None)
    plane.wait(lambda: revisions() == 2, "the second revision")


def spec_of(content: str) -> dict[str, Any]:
    return {"backend": "onnxruntime", "source": {"inline": {"files": {"1/model.onnx": content}}}}


def test_no_secret_is_in_the_log_of_any_of_it(plane: Plane, operator: OperatorProcess) -> None:
    values = {value for name in ("kept", "rotated", "bereft", "changed") for value in keys(plane, name).values()}
    text = operator.log.read_text()
    assert text
    assert not any(value in text or b64decode(value).decode() in text for value in values)
