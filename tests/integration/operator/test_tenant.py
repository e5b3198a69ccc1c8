"""What a tenant gets from a real operator, and at what price."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from typing import Any
from urllib.request import urlopen

import pytest

from moorage_crds import labels, names
from tests.integration.operator.plane import Manifest, Plane, child, namespace, path_of, tenant
from tests.integration.operator.process import OperatorProcess
from tests.support import keda
from tests.support.tenant_fields import VALUES, spec_with

pytestmark = pytest.mark.usefixtures("operator")

CHILDREN = {
    "deployments/triton",
    "limitranges/moorage",
    "networkpolicies/default-deny",
    "networkpolicies/triton",
    "networkpolicies/weaviate",
    "poddisruptionbudgets/triton",
    "resourcequotas/moorage",
    "rolebindings/moorage-admin",
    "rolebindings/moorage-agent",
    "rolebindings/moorage-developer",
    "rolebindings/moorage-operator",
    "rolebindings/moorage-viewer",
    "secrets/moorage-credentials",
    "serviceaccounts/moorage-admin",
    "serviceaccounts/moorage-agent",
    "serviceaccounts/moorage-developer",
    "serviceaccounts/moorage-viewer",
    "serviceaccounts/weaviate",
    "services/triton",
    "services/weaviate",
    "services/weaviate-headless",
    "statefulsets/weaviate",
}
RBAC = "rbac.authorization.k8s.io/v1"


def is_complete(plane: Plane, name: str) -> bool:
    return plane.children(name) == CHILDREN


def make(plane: Plane, name: str, **spec: Any) -> Manifest:
    made = plane.apply(tenant(name, **spec))
    plane.wait(lambda: is_complete(plane, name), f"tenant {name}")
    plane.settle()
    return made


def test_a_tenant_gets_exactly_its_children_within_the_request_budget(plane: Plane) -> None:
    mark = plane.mark()
    made = make(plane, "budget")
    asked = [one for one in plane.asked(mark) if not one.is_bookkeeping]
    writes = plane.writes(mark, "budget")
    early = [one for one in writes if one.code == 403]
    first = [one for one in writes if one.subresource != "status" and one not in early]
    assert [one for one in asked if one.verb == "get"] == []
    assert [one for one in asked if one.code == 409] == []
    assert len(first) == len(CHILDREN) + 2, Counter((one.verb, one.resource) for one in first)
    assert len(writes) - len(early) <= len(CHILDREN) + 1 + 3, Counter((one.verb, one.resource) for one in writes)
    assert len(early) <= 3, "a new RoleBinding is seen by the authorizer some milliseconds late, not longer"
    found = plane.read(namespace("budget"))
    assert found
    assert found["metadata"]["annotations"][labels.TENANT_ID] == made["metadata"]["uid"]


def test_its_status_says_where_it_stands(plane: Plane) -> None:
    made = make(plane, "status")
    found = plane.read(made)
    assert found
    assert found["status"]["observedGeneration"] == 1
    assert found["status"]["tenantID"] == made["metadata"]["uid"]
    assert plane.condition(made, "IsolationReady") == ("True", "Available")
    assert plane.condition(made, "Ready") == ("False", "PodsNotReady")


def test_a_touch_that_changes_nothing_costs_no_write(plane: Plane) -> None:
    made = make(plane, "touched")
    mark = plane.mark()
    for number in range(3):
        plane.kube.merge(made, {"metadata": {"annotations": {"touched": str(number)}}})
    time.sleep(2)
    assert plane.writes(mark) == []


def test_one_changed_field_is_one_write_and_at_most_one_status(plane: Plane) -> None:
    made = make(plane, "changed")
    mark = plane.mark()
    plane.kube.merge(made, {"spec": {"network": {"egress": {"mode": "None"}}}})
    plane.wait(lambda: plane.writes(mark, "changed"), "a write")
    plane.settle()
    counted = Counter((one.resource, one.subresource) for one in plane.writes(mark, "changed"))
    assert counted["networkpolicies", ""] == 1
    assert counted["tenants", "status"] <= 2
    assert set(counted) <= {("networkpolicies", ""), ("tenants", "status")}


DRIFT = [
    ("v1", "ResourceQuota", "moorage"),
    ("v1", "LimitRange", "moorage"),
    ("networking.k8s.io/v1", "NetworkPolicy", "default-deny"),
    ("networking.k8s.io/v1", "NetworkPolicy", "triton"),
    ("networking.k8s.io/v1", "NetworkPolicy", "weaviate"),
    ("v1", "ServiceAccount", "moorage-agent"),
    ("v1", "ServiceAccount", "weaviate"),
    ("v1", "ServiceAccount", "moorage-developer"),
    (RBAC, "RoleBinding", "moorage-agent"),
    (RBAC, "RoleBinding", "moorage-developer"),
    ("apps/v1", "Deployment", "triton"),
    ("apps/v1", "StatefulSet", "weaviate"),
    ("v1", "Service", "triton"),
    ("v1", "Service", "weaviate"),
    ("v1", "Service", "weaviate-headless"),
    ("policy/v1", "PodDisruptionBudget", "triton"),
    (RBAC, "RoleBinding", "moorage-operator"),
]


@pytest.fixture(scope="module")
def drifting(plane: Plane, operator: OperatorProcess) -> str:
    assert operator.popen.poll() is None
    make(plane, "drift")
    return "drift"


@pytest.mark.parametrize(("api_version", "kind", "name"), DRIFT)
def test_a_deleted_child_is_put_back_within_2_seconds(
    plane: Plane, drifting: str, api_version: str, kind: str, name: str
) -> None:
    one = child(api_version, kind, drifting, name)
    before = plane.uid(one)
    assert plane.kube.delete(one).is_success
    plane.wait(lambda: plane.uid(one) not in (None, before), f"{kind} {name}", seconds=2)


EDITS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("v1", "ResourceQuota", "moorage", {"spec": {"hard": {"pods": "9999"}}}),
    ("v1", "LimitRange", "moorage", {"spec": {"limits": [{"type": "Container", "max": {"cpu": "99"}}]}}),
    ("networking.k8s.io/v1", "NetworkPolicy", "default-deny", {"spec": {"podSelector": {"matchLabels": {"a": "b"}}}}),
    ("networking.k8s.io/v1", "NetworkPolicy", "triton", {"spec": {"egress": [{}]}}),
    ("networking.k8s.io/v1", "NetworkPolicy", "weaviate", {"spec": {"ingress": [{}]}}),
    ("v1", "ServiceAccount", "moorage-agent", {"automountServiceAccountToken": True}),
    ("v1", "ServiceAccount", "weaviate", {"automountServiceAccountToken": True}),
    (RBAC, "RoleBinding", "moorage-agent", {"subjects": []}),
    ("apps/v1", "Deployment", "triton", {"spec": {"template": {"spec": {"serviceAccountName": "default"}}}}),
    ("apps/v1", "StatefulSet", "weaviate", {"spec": {"replicas": 5}}),
    ("v1", "Service", "triton", {"spec": {"publishNotReadyAddresses": True}}),
    ("v1", "Service", "weaviate", {"spec": {"selector": {"moorage.dev/component": "other"}}}),
    ("v1", "Service", "weaviate-headless", {"spec": {"publishNotReadyAddresses": False}}),
    ("policy/v1", "PodDisruptionBudget", "triton", {"spec": {"unhealthyPodEvictionPolicy": "IfHealthyBudget"}}),
    (RBAC, "RoleBinding", "moorage-operator", {"metadata": {"labels": {labels.MANAGED_BY: "me"}}}),
    ("v1", "ResourceQuota", "moorage", {"metadata": {"labels": {labels.TENANT: None}}}),
]


def essence(found: Manifest | None) -> Manifest:
    """Return what a person set, without what the API server counts."""
    assert found
    kept = {key: value for key, value in found.items() if key not in ("metadata", "status")}
    return {**kept, "labels": found["metadata"]["labels"]}


@pytest.mark.parametrize("edit", EDITS, ids=[f"{edit[1]}-{edit[2]}" for edit in EDITS])
def test_an_edited_child_is_put_back_within_2_seconds(
    plane: Plane, drifting: str, edit: tuple[str, str, str, dict[str, Any]]
) -> None:
    api_version, kind, name, change = edit
    one = child(api_version, kind, drifting, name)
    before = essence(plane.read(one))
    edited = plane.kube.merge(one, change)
    assert edited.is_success, edited.text
    assert essence(edited.json()) != before
    plane.wait(lambda: essence(plane.read(one)) == before, f"{kind} {name}", seconds=2)


def test_lost_credentials_are_made_anew_and_kept_ones_never_touched(plane: Plane) -> None:
    make(plane, "secret")
    one = child("v1", "Secret", "secret", names.CREDENTIALS)
    first = plane.read(one)
    assert first
    plane.kube.delete(one)
    plane.wait(lambda: plane.uid(one) not in (None, first["metadata"]["uid"]), "the Secret")
    second = plane.read(one)
    assert second
    assert second["data"].keys() == first["data"].keys()
    assert all(second["data"][key] != first["data"][key] for key in first["data"])


def test_a_foreign_namespace_is_left_alone_and_said_so(plane: Plane) -> None:
    before = plane.apply(namespace("foreign"))
    mark = plane.mark()
    made = plane.apply(tenant("foreign"))
    plane.wait(lambda: plane.condition(made, "Stalled") == ("True", "NamespaceForeign"), "the condition")
    plane.settle()
    assert plane.children("foreign") == set()
    after = plane.read(namespace("foreign"))
    assert after
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert {one.resource for one in plane.writes(mark, "foreign")} == {"tenants"}
    plane.kube.delete(made)
    plane.wait(lambda: plane.read(made) is None, "the Tenant's end")
    assert plane.uid(namespace("foreign")) == before["metadata"]["uid"]


def test_a_deleted_tenant_takes_its_namespace_along_and_is_then_let_go(plane: Plane) -> None:
    made = make(plane, "deleted")
    mark = plane.mark()
    plane.kube.delete(made)
    plane.wait(lambda: plane.read(made) is None, "the Tenant's end", seconds=60)
    assert plane.read(namespace("deleted")) is None
    deletions = [one for one in plane.writes(mark, "deleted") if one.verb == "delete"]
    assert [(one.resource, one.name) for one in deletions] == [
        ("deployments", "triton"),
        ("statefulsets", "weaviate"),
        ("namespaces", "tenant-deleted"),
    ]


def test_a_tenant_made_again_under_its_name_is_another_tenant(plane: Plane) -> None:
    first = make(plane, "again")
    plane.kube.delete(first)
    plane.wait(lambda: plane.read(first) is None, "the Tenant's end", seconds=60)
    second = make(plane, "again")
    found = plane.read(namespace("again"))
    assert found
    assert found["metadata"]["annotations"][labels.TENANT_ID] == second["metadata"]["uid"] != first["metadata"]["uid"]


def test_a_tenant_that_fails_for_ever_delays_no_other(plane: Plane) -> None:
    """A namespace is made read-only by a policy, which refuses every write of the operator there."""
    policy, binding = refusal("tenant-stuck", "tenant-stuck-probe")
    for one in (policy, binding):
        plane.apply(one)
    probe = child("v1", "ConfigMap", "stuck-probe", "probe")
    plane.apply(namespace("stuck-probe"))
    plane.wait(lambda: not is_allowed(plane, probe), "the policy")
    stuck = plane.apply(tenant("stuck"))
    plane.wait(lambda: plane.condition(stuck, "Ready") == ("False", "WriteFailed"), "the failure's message")
    make(plane, "lively")
    assert plane.condition(stuck, "Ready") == ("False", "WriteFailed")
    plane.kube.delete(binding)
    plane.wait(lambda: is_complete(plane, "stuck"), "the stuck tenant, once it may", seconds=70)


def is_allowed(plane: Plane, probe: Manifest) -> bool:
    return "no-writes" not in plane.kube.apply(probe, dry_run=True).text


def refusal(*namespaces: str) -> tuple[Manifest, Manifest]:
    rules = [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": ["*"]}]
    group = {"apiVersion": "admissionregistration.k8s.io/v1"}
    policy = {
        **group,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "no-writes"},
        "spec": {
            "matchConstraints": {"resourceRules": rules},
            "validations": [
                {"expression": f"!(request.?namespace.orValue('') in {list(namespaces)})", "message": "no-writes here"}
            ],
        },
    }
    binding = {
        **group,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "no-writes"},
        "spec": {"policyName": "no-writes", "validationActions": ["Deny"]},
    }
    return policy, binding


def test_people_hear_of_it_where_kubectl_describe_looks(plane: Plane) -> None:
    made = make(plane, "heard")
    path = "/api/v1/namespaces/default/events"
    given = {"fieldSelector": f"involvedObject.uid={made['metadata']['uid']}"}

    def reasons() -> set[str]:
        return {one["reason"] for one in plane.kube.request("GET", path, params=given).json()["items"]}

    plane.wait(lambda: reasons() & {"Progressing", "PodsNotReady"}, "the Event")


def test_no_secret_is_in_logs_and_probes_answer(plane: Plane, operator: OperatorProcess) -> None:
    make(plane, "quiet")
    found = plane.read(child("v1", "Secret", "quiet", names.CREDENTIALS))
    assert found
    text = operator.log.read_text()
    assert operator.lines()
    assert not any(value in text for value in found["data"].values())
    with urlopen(f"http://127.0.0.1:{operator.health_port}/healthz", timeout=5) as answer:
        assert answer.status == 200


def test_a_store_grows_claim_by_claim_while_its_pods_run_on(plane: Plane) -> None:
    made = make(plane, "growing")
    bound_claim(plane, "growing")
    store = child("apps/v1", "StatefulSet", "growing", "weaviate")
    before = plane.uid(store)
    mark = plane.mark()
    plane.kube.merge(made, {"spec": {"vectorStore": {"storage": {"size": "20Gi"}}}})
    plane.wait(lambda: plane.uid(store) not in {None, before}, "the StatefulSet made anew")
    found, claim = plane.read(store), plane.read(child("v1", "PersistentVolumeClaim", "growing", "data-weaviate-0"))
    assert found
    assert claim
    (template,) = found["spec"]["volumeClaimTemplates"]
    assert template["spec"]["resources"]["requests"]["storage"] == "20Gi"
    assert claim["spec"]["resources"]["requests"]["storage"] == "20Gi"
    plane.settle()
    written = [(one.verb, one.resource) for one in plane.writes(mark, "growing") if one.subresource == ""]
    assert written == [
        ("patch", "persistentvolumeclaims"),
        ("delete", "statefulsets"),
        ("patch", "statefulsets"),
    ]


def test_storage_that_cannot_grow_is_said_in_the_api_servers_words(plane: Plane) -> None:
    made = make(plane, "rigid")
    bound_claim(plane, "rigid", expands=False)
    plane.kube.merge(made, {"spec": {"vectorStore": {"storage": {"size": "20Gi"}}, "members": [
        {"kind": "User", "name": "bob", "role": "viewer"}]}})  # fmt: skip
    plane.wait(lambda: plane.condition(made, "Ready") == ("False", "WriteFailed"), "the refusal")
    found = plane.read(made)
    assert found
    message = next(one["message"] for one in found["status"]["conditions"] if one["type"] == "Ready")
    assert "must support resize" in message
    assert plane.read(child(RBAC, "RoleBinding", "rigid", "moorage-viewer"))
    plane.kube.delete(made)  # its growth would be tried again beside every other test
    plane.wait(lambda: plane.read(made) is None, "its end", seconds=60)


def bound_claim(plane: Plane, name: str, *, expands: bool = True) -> None:
    """Bind the claim that the StatefulSet's controller makes to a volume, as a provisioner does."""
    storage_class, size = f"{name}-class", {"storage": "10Gi"}
    plane.apply(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": storage_class},
            "provisioner": "test.example",
            "allowVolumeExpansion": expands,
        }
    )
    claim = child("v1", "PersistentVolumeClaim", name, "data-weaviate-0")
    plane.wait(lambda: plane.read(claim), "the claim")
    plane.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"{name}-volume"},
            "spec": {
                "capacity": size,
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": storage_class,
                "hostPath": {"path": "/nowhere"},
                "claimRef": claim["metadata"],
            },
        }
    )
    plane.apply({**claim, "spec": {"storageClassName": storage_class, "volumeName": f"{name}-volume"}})
    plane.wait(lambda: (plane.read(claim) or {})["status"]["phase"] == "Bound", "the binding")
    plane.settle()


def test_the_number_of_pods_passes_to_an_autoscaler_and_back_without_a_reset(plane: Plane) -> None:
    made = make(plane, "scaled", inference={"replicas": 2})
    deployment = child("apps/v1", "Deployment", "scaled", "triton")
    autoscaler = child("autoscaling/v2", "HorizontalPodAutoscaler", "scaled", "triton")
    seen: list[int] = []

    def pods() -> int:
        found = plane.read(deployment)
        assert found
        seen.append(found["spec"]["replicas"])
        return seen[-1]

    plane.kube.merge(made, {"spec": {"inference": {"autoscaling": {"max": 3}}}})
    plane.wait(lambda: plane.read(autoscaler), "the autoscaler")
    assert pods() == 2
    scale = {**deployment, "apiVersion": "apps/v1"}
    path = f"{path_of(scale)}/scale"
    headers = {"Content-Type": "application/merge-patch+json"}
    answer = plane.kube.request("PATCH", path, json={"spec": {"replicas": 3}}, headers=headers)
    assert answer.is_success, answer.text
    plane.settle()
    mark = plane.mark()
    plane.kube.merge(made, {"spec": {"inference": {"nodeSelector": {"pool": "a"}}}})
    plane.wait(lambda: plane.writes(mark, "scaled"), "a write")
    plane.settle()
    assert pods() == 3
    plane.kube.merge(made, {"spec": {"inference": {"autoscaling": None}}})
    plane.wait(lambda: plane.read(autoscaler) is None, "the autoscaler's end")
    plane.settle()
    assert pods() == 2
    assert seen == [2, 3, 2]


def kedas_autoscaler(least: int) -> Manifest:
    """Return the autoscaler that KEDA makes of its example; without a metrics API it acts on its bounds alone."""
    scaled, tenant_name = keda.example("scaledobject"), "outside"
    metric = {"name": "s0-prometheus", "selector": {"matchLabels": {"scaledobject.keda.sh/name": "triton"}}}
    target = {"type": "AverageValue", "averageValue": scaled["spec"]["triggers"][0]["metadata"]["threshold"]}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", **scaled["spec"]["scaleTargetRef"]},
        "minReplicas": least,
        "maxReplicas": least,
        "metrics": [{"type": "External", "external": {"metric": metric, "target": target}}],
    }
    made = child("autoscaling/v2", "HorizontalPodAutoscaler", tenant_name, "keda-hpa-triton")
    made["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "keda-operator"}
    return {**made, "spec": spec}


def test_what_kedas_autoscaler_and_keda_itself_write_is_not_fought(plane: Plane) -> None:
    made = make(plane, "outside", **keda.example("tenant")["spec"])
    deployment = child("apps/v1", "Deployment", "outside", "triton")

    def has(count: int) -> bool:
        found = plane.read(deployment)
        assert found
        return bool(found["spec"]["replicas"] == count)

    assert plane.read(child("autoscaling/v2", "HorizontalPodAutoscaler", "outside", "triton")) is None
    assert has(1)
    mark = plane.mark()
    for least in (3, 2):
        plane.apply(kedas_autoscaler(least))
        plane.wait(partial(has, least), f"{least} pods by the autoscaler", seconds=40)
        plane.settle()
        assert has(least)
    assert [one for one in plane.writes(mark, "outside") if one.resource == "deployments"] == []
    mark = plane.mark()
    plane.kube.merge(made, {"spec": {"inference": {"nodeSelector": {"pool": "a"}}}})
    plane.wait(lambda: plane.writes(mark, "outside"), "a write")
    plane.settle()
    assert has(2)
    plane.kube.delete(kedas_autoscaler(2))
    scale = f"{path_of(deployment)}/scale"
    found = plane.kube.request("GET", scale).json()
    answer = plane.kube.request("PUT", scale, json={**found, "spec": {"replicas": 3}})
    assert answer.is_success, answer.text
    plane.settle()
    assert has(3)


def test_an_external_store_brings_a_right_of_the_api_and_nothing_of_a_store_of_its_own(plane: Plane) -> None:
    place = {"endpoint": "https://weaviate.example", "credentialsSecretRef": {"name": "store"}}
    role = child(RBAC, "Role", "elsewhere", names.STORE_ROLE)
    made = plane.apply(tenant("elsewhere", vectorStore={"external": place}))
    own = {one for one in CHILDREN if "weaviate" in one}
    granted = {f"roles/{names.STORE_ROLE}", f"rolebindings/{names.STORE_ROLE}"}
    plane.wait(lambda: plane.children("elsewhere") == CHILDREN - own | granted, "the tenant")
    plane.settle()
    assert plane.condition(made, "VectorStoreReady") == ("True", "External")
    found = plane.read(made)
    assert found
    assert found["status"]["endpoints"]["weaviate"] == "weaviate.example"
    plane.apply(tenant("elsewhere", vectorStore={"external": place | {"credentialsSecretRef": {"name": "another"}}}))
    plane.wait(lambda: (plane.read(role) or {})["rules"][0]["resourceNames"] == ["another"], "the other Secret's right")
    plane.apply(tenant("elsewhere", vectorStore={"external": {"endpoint": place["endpoint"]}}))
    plane.wait(lambda: plane.children("elsewhere") == CHILDREN - own, "no right any more")


APART = {
    "inference.autoscaling.class",
    "suspend",
    "deletionProtection",
    "vectorStore.backend",
    "vectorStore.replicas",
    "vectorStore.storage.size",
    "vectorStore.storage.storageClassName",
    "vectorStore.external.endpoint",
    "vectorStore.external.grpcEndpoint",
    "vectorStore.external.credentialsSecretRef.name",
}
"""Fields that take others' effects away, or that cannot be changed back."""


def test_every_field_can_be_set_changed_and_removed_and_then_nothing_is_written(plane: Plane) -> None:
    room = {"cpu": "100", "memory": "200Gi", "storage": "900Gi", "gpu": 100, "pods": 100}
    made = make(plane, "full", quota=room)
    for at in (0, 1):
        spec: Manifest = {"quota": room}
        for path in sorted(VALUES.keys() - APART):
            if path not in {f"quota.{one}" for one in room}:
                spec = spec_with(path, VALUES[path][at], spec)
        plane.apply(tenant("full", **spec))
        still(plane, made)
        assert plane.read(child("autoscaling/v2", "HorizontalPodAutoscaler", "full", "triton"))
    plane.apply(tenant("full", quota=room))
    still(plane, made)
    assert plane.read(child("autoscaling/v2", "HorizontalPodAutoscaler", "full", "triton")) is None


def still(plane: Plane, made: Manifest) -> None:
    """Wait until the spec is met but for its pods; then nothing more is written however often it is looked at."""
    generation = (plane.read(made) or {})["metadata"]["generation"]
    plane.wait(lambda: (plane.read(made) or {})["status"].get("observedGeneration") == generation, "the status")
    plane.settle()
    assert plane.condition(made, "Ready") == ("False", "PodsNotReady")
    mark = plane.mark()
    plane.kube.merge(made, {"metadata": {"annotations": {"touched": str(mark)}}})
    plane.settle()
    assert plane.writes(mark) == []
