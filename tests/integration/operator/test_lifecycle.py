"""Endings and returns of a tenant, by a real operator under its real rights."""

from __future__ import annotations

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


def test_no_secret_is_in_the_log_of_any_of_it(plane: Plane, operator: OperatorProcess) -> None:
    data = (plane.read(child("v1", "Secret", "kept", names.CREDENTIALS)) or {})["data"]
    assert not any(value in operator.log.read_text() for value in data.values())
