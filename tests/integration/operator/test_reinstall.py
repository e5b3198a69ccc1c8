"""The chart goes and comes back under running tenants: what they have stays as it is, and nothing is written again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.conftest import rendered_chart
from tests.integration.operator.plane import Manifest, Plane, child, namespace, tenant

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.operator.process import OperatorProcess

    Start = Callable[..., OperatorProcess]

TENANTS = ("reinstall-a", "reinstall-b")
# What `helm uninstall` deletes, less what needs a node and is not part of this control plane.
ELSEWHERE = {"Deployment", "Job", "PersistentVolumeClaim", "Service"}
COLLECTIONS = (
    "/apis/moorage.dev/v1alpha1/tenants",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    *(f"{group}/namespaces/tenant-{name}/{plural}" for name in TENANTS for group, plural in (
        ("/apis/moorage.dev/v1alpha1", "modeldeployments"),
        ("/apis/apps/v1", "deployments"),
        ("/apis/apps/v1", "statefulsets"),
        ("/apis/apps/v1", "controllerrevisions"),
        ("/api/v1", "secrets"),
        ("/api/v1", "services"),
        ("/api/v1", "pods"),
        ("/apis/networking.k8s.io/v1", "networkpolicies"),
        ("/apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    )),
)  # fmt: skip


def goes(manifest: Manifest) -> bool:
    """Tell whether ``helm uninstall`` deletes an object of the chart."""
    annotations = manifest["metadata"].get("annotations") or {}
    is_kept = annotations.get("helm.sh/resource-policy") == "keep"
    return manifest["kind"] not in ELSEWHERE and not is_kept and "helm.sh/hook" not in annotations


def everything(plane: Plane) -> dict[str, str]:
    """Return the UID of all that tenants have, by path."""
    return {
        f"{path}/{one['metadata']['name']}": one["metadata"]["uid"]
        for path in COLLECTIONS
        for one in plane.kube.request("GET", path).json()["items"]
    }


def make(plane: Plane, name: str) -> None:
    plane.apply(tenant(name))
    plane.wait(lambda: plane.read(child("apps/v1", "StatefulSet", name, "weaviate")), f"tenant {name}")
    files = {"1/model.onnx": "x"}
    model = child("moorage.dev/v1alpha1", "ModelDeployment", name, "m")
    plane.apply({**model, "spec": {"backend": "onnxruntime", "source": {"inline": {"files": files}}}})


def test_an_uninstall_takes_nothing_of_a_tenant_and_a_reinstall_writes_nothing(plane: Plane, start: Start) -> None:
    first = start()
    first.wait_for_leadership()
    for name in TENANTS:
        make(plane, name)
    plane.settle()
    before = everything(plane)
    first.stop()
    try:
        deleted = [manifest for manifest in reversed(rendered_chart()) if goes(manifest)]
        assert {"ClusterRole", "ServiceAccount", "ValidatingAdmissionPolicy"} <= {one["kind"] for one in deleted}
        for manifest in deleted:
            assert plane.kube.delete(manifest).is_success, manifest
        assert everything(plane) == before
        assert all(plane.read(namespace(name)) for name in TENANTS)
    finally:
        plane.install()
    mark = plane.mark()
    second = start("operator-1")
    second.wait_for_leadership(seconds=40)
    plane.settle()
    assert plane.writes(mark) == []
    assert everything(plane) == before
