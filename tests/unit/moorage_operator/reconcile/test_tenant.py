"""A tenant's way from nothing to steady, and back to steady after every disturbance."""

from base64 import b64encode
from copy import deepcopy
from typing import Any

import pytest

from moorage_crds import labels, names
from moorage_crds.conditions import REASONS
from moorage_crds.tenant import TenantStatus
from moorage_operator.reconcile import Apply, ApplyStatus, Create, Delete, World, reconcile_tenant
from tests.unit.moorage_operator.reconcile.builders import (
    NOW,
    SETTINGS,
    claim,
    condition,
    foreign_namespace,
    keys,
    later,
    pass_once,
    status,
    steady,
    tenant,
)
from tests.unit.moorage_operator.reconcile.fake_cluster import FakeCluster


def test_a_new_tenant_is_made_in_one_pass_fence_before_workloads() -> None:
    cluster = FakeCluster()
    cluster.add(tenant(members=[{"kind": "User", "name": "alice", "role": "admin"}]))
    assert keys(pass_once(cluster)) == [
        "add finalizer to Tenant acme",
        "create Namespace tenant-acme",
        "apply RoleBinding tenant-acme/moorage-operator",
        "apply RoleBinding tenant-acme/moorage-admin",
        "apply RoleBinding tenant-acme/moorage-agent",
        "apply RoleBinding tenant-acme/moorage-developer",
        "apply RoleBinding tenant-acme/moorage-viewer",
        "apply NetworkPolicy tenant-acme/default-deny",
        "apply NetworkPolicy tenant-acme/triton",
        "apply NetworkPolicy tenant-acme/weaviate",
        "apply ServiceAccount tenant-acme/moorage-admin",
        "apply ServiceAccount tenant-acme/moorage-agent",
        "apply ServiceAccount tenant-acme/moorage-developer",
        "apply ServiceAccount tenant-acme/moorage-viewer",
        "apply ServiceAccount tenant-acme/weaviate",
        "apply ResourceQuota tenant-acme/moorage",
        "apply LimitRange tenant-acme/moorage",
        "create Secret tenant-acme/moorage-credentials",
        "apply Service tenant-acme/triton",
        "apply Service tenant-acme/weaviate",
        "apply Service tenant-acme/weaviate-headless",
        "apply PodDisruptionBudget tenant-acme/triton",
        "apply Deployment tenant-acme/triton",
        "apply StatefulSet tenant-acme/weaviate",
        "apply status of Tenant acme",
    ]


def test_a_steady_tenant_needs_no_write_however_late() -> None:
    cluster = steady()
    assert pass_once(cluster, later(86400)) == ()


def test_a_new_tenant_is_reconciling_until_its_pods_are_ready() -> None:
    cluster = FakeCluster()
    cluster.add(tenant())
    pass_once(cluster)
    before = status(cluster, "Tenant", "acme")
    assert condition(before)["reason"] == "PodsNotReady"
    assert condition(before, "Reconciling")["status"] == "True"
    assert condition(before, "IsolationReady")["status"] == "True"
    cluster.roll_out()
    pass_once(cluster)
    pass_once(cluster)
    after = status(cluster, "Tenant", "acme")
    assert {item["type"]: item["status"] for item in after["conditions"]} == {
        "Ready": "True",
        "Reconciling": "False",
        "Stalled": "False",
        "IsolationReady": "True",
        "CredentialsReady": "True",
        "InferenceReady": "True",
        "VectorStoreReady": "True",
        "ModelsReady": "True",
    }


def test_status_fits_its_schema_and_its_reasons_are_documented() -> None:
    found = status(steady(), "Tenant", "acme")
    assert TenantStatus.model_validate(found).manifest() == found
    assert {item["reason"] for item in found["conditions"]} <= REASONS.keys()


def test_status_names_tenant_id_namespace_and_endpoints() -> None:
    cluster = steady()
    found = status(cluster, "Tenant", "acme")
    assert found["tenantID"] == cluster.get("Tenant", "acme")["metadata"]["uid"]
    assert found["namespace"] == "tenant-acme"
    assert found["endpoints"] == {"triton": "triton.tenant-acme.svc", "weaviate": "weaviate.tenant-acme.svc"}


def test_the_namespace_is_restricted_and_carries_the_tenant_id() -> None:
    cluster = steady()
    metadata = cluster.get("Namespace", "tenant-acme")["metadata"]
    assert metadata["annotations"] == {labels.TENANT_ID: cluster.get("Tenant", "acme")["metadata"]["uid"]}
    assert metadata["labels"] == {
        labels.TENANT: "acme",
        labels.MANAGED_BY: "moorage",
        "pod-security.kubernetes.io/audit": "restricted",
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/warn": "restricted",
    }


def test_no_child_has_the_tenant_as_its_owner() -> None:
    for found in steady().objects.values():
        assert "ownerReferences" not in found["metadata"]


DRIFT: list[tuple[str, str, tuple[str, ...], Any]] = [
    ("Deployment", "triton", ("spec", "replicas"), 3),
    ("Deployment", "triton", ("spec", "template", "spec", "automountServiceAccountToken"), True),
    ("StatefulSet", "weaviate", ("spec", "replicas"), 0),
    ("Service", "triton", ("spec", "publishNotReadyAddresses"), True),
    ("Service", "triton", ("metadata", "labels", labels.COMPONENT), "weaviate"),
    ("PodDisruptionBudget", "triton", ("spec", "maxUnavailable"), 2),
    ("NetworkPolicy", "default-deny", ("spec", "policyTypes"), ["Ingress"]),
    ("NetworkPolicy", "triton", ("spec", "egress"), [{}]),
    ("ServiceAccount", "moorage-agent", ("automountServiceAccountToken",), True),
    ("RoleBinding", "moorage-operator", ("subjects",), []),
    ("ResourceQuota", "moorage", ("spec", "hard", "pods"), "1000"),
    ("LimitRange", "moorage", ("spec", "limits"), []),
]


@pytest.mark.parametrize(("kind", "name", "path", "value"), DRIFT, ids=str)
def test_an_edited_child_is_repaired_by_one_write(kind: str, name: str, path: tuple[str, ...], value: Any) -> None:
    cluster = steady()
    before = deepcopy(cluster.get(kind, name))
    wanted = {key: before.get(key) for key in ("spec", "subjects", "automountServiceAccountToken")}
    cluster.edit(kind, name, path, value)
    (action, *rest) = pass_once(cluster)
    assert isinstance(action, Apply)
    assert action.key == f"apply {kind} tenant-acme/{name}"
    assert action.resource_version not in {None, before["metadata"]["resourceVersion"]}
    assert all(isinstance(write, ApplyStatus) for write in rest)
    assert {key: cluster.get(kind, name).get(key) for key in wanted} == wanted
    cluster.roll_out()
    pass_once(cluster)
    assert pass_once(cluster) == ()


@pytest.mark.parametrize(("kind", "name"), sorted({(kind, name) for kind, name, *_ in DRIFT}))
def test_a_deleted_child_is_made_again(kind: str, name: str) -> None:
    cluster = steady()
    del cluster.objects[kind, "tenant-acme", name]
    assert keys(pass_once(cluster))[0] == f"apply {kind} tenant-acme/{name}"


def test_a_field_that_others_add_to_a_child_is_theirs() -> None:
    cluster = steady()
    cluster.edit("Deployment", "triton", ("metadata", "annotations"), {"deployment.kubernetes.io/revision": "1"})
    cluster.edit("Deployment", "triton", ("spec", "template", "spec", "dnsPolicy"), "ClusterFirst")
    assert pass_once(cluster) == ()


def test_a_child_being_deleted_is_waited_for() -> None:
    cluster = steady()
    cluster.get("Service", "triton")["metadata"]["deletionTimestamp"] = "2026-03-01T00:00:00Z"
    cluster.edit("Service", "triton", ("spec", "type"), "NodePort")
    assert pass_once(cluster) == ()


def test_namespace_labels_are_repaired() -> None:
    cluster = steady()
    cluster.edit("Namespace", "tenant-acme", ("metadata", "labels", "pod-security.kubernetes.io/enforce"), "privileged")
    assert keys(pass_once(cluster)) == ["apply Namespace tenant-acme"]
    found = cluster.get("Namespace", "tenant-acme")["metadata"]["labels"]
    assert found["pod-security.kubernetes.io/enforce"] == "restricted"
    assert pass_once(cluster) == ()


def test_a_field_no_longer_wanted_is_removed() -> None:
    cluster = steady(inference={"nodeSelector": {"pool": "gpu"}, "tolerations": [{"key": "gpu", "operator": "Exists"}]})
    assert cluster.get("Deployment", "triton")["spec"]["template"]["spec"]["nodeSelector"] == {"pool": "gpu"}
    cluster.change_spec("Tenant", "acme", {"inference": {}})
    assert keys(pass_once(cluster))[0] == "apply Deployment tenant-acme/triton"
    pod = cluster.get("Deployment", "triton")["spec"]["template"]["spec"]
    assert "nodeSelector" not in pod
    assert "tolerations" not in pod


def test_children_no_longer_wanted_are_deleted_but_never_data() -> None:
    cluster = steady(members=[{"kind": "Group", "name": "devs", "role": "developer"}])
    cluster.add(claim())
    cluster.change_spec("Tenant", "acme", {"members": [], "vectorStore": {"backend": "None"}})
    assert keys(tuple(action for action in pass_once(cluster) if isinstance(action, Delete))) == [
        "delete NetworkPolicy tenant-acme/weaviate",
        "delete Service tenant-acme/weaviate",
        "delete Service tenant-acme/weaviate-headless",
        "delete ServiceAccount tenant-acme/weaviate",
        "delete StatefulSet tenant-acme/weaviate",
    ]
    assert cluster.has("PersistentVolumeClaim", "data-weaviate-0")
    pass_once(cluster)
    assert pass_once(cluster) == ()
    assert condition(status(cluster, "Tenant", "acme"), "VectorStoreReady")["reason"] == "NotRequested"


def test_an_object_with_our_labels_that_we_did_not_make_stays() -> None:
    cluster = steady()
    marked = {"name": "theirs", "namespace": "tenant-acme"}
    marks = {labels.TENANT: "acme", labels.MANAGED_BY: "moorage"}
    cluster.add({"apiVersion": "v1", "kind": "Service", "metadata": marked | {"labels": marks}})
    assert pass_once(cluster) == ()


def test_credentials_are_made_once_and_never_applied() -> None:
    cluster = steady()
    data = cluster.get("Secret", names.CREDENTIALS)["data"]
    made = {key: value for key, value in data.items() if key != names.WEAVIATE_KEY}
    assert made == dict.fromkeys(
        (names.INFERENCE_KEY, names.MANAGEMENT_KEY, names.WEAVIATE_ROOT_KEY), b64encode(b"key").decode()
    )
    assert pass_once(cluster) == ()


def test_each_credential_is_random_and_long() -> None:
    made = [
        action.manifest["data"]
        for action in reconcile_tenant(World("acme", _stored(), None), SETTINGS, NOW)
        if isinstance(action, Create) and action.manifest["kind"] == "Secret"
    ]
    values = set(made[0].values())
    assert len(values) == 3
    assert all(len(value) >= 56 for value in values)


def test_no_credential_shows_in_the_text_of_an_action() -> None:
    actions = reconcile_tenant(World("acme", _stored(), None), SETTINGS, NOW, make_key=lambda: "hush")
    assert b64encode(b"hush").decode() not in repr(actions)
    assert b64encode(b"hush").decode() not in " ".join(keys(actions))


def test_credentials_that_lack_a_key_and_cannot_be_mended_say_which() -> None:
    cluster = steady()
    cluster.edit("Secret", names.CREDENTIALS, ("data", names.WEAVIATE_ROOT_KEY), "")
    pass_once(cluster, failure="secrets refused")
    found = status(cluster, "Tenant", "acme")
    assert condition(found)["reason"] == "WriteFailed"
    assert condition(found, "CredentialsReady")["reason"] == "CredentialsMissing"
    assert names.WEAVIATE_ROOT_KEY in condition(found, "CredentialsReady")["message"]


def test_a_failed_write_is_told_in_the_status_alone() -> None:
    cluster = steady()
    cluster.change_spec("Tenant", "acme", {"quota": {"pods": 3}})
    (action,) = pass_once(cluster, failure="quota refused")
    assert isinstance(action, ApplyStatus)
    found = status(cluster, "Tenant", "acme")
    assert condition(found)["reason"] == "WriteFailed"
    assert condition(found)["message"] == "quota refused"
    assert condition(found, "Reconciling")["status"] == "True"
    assert condition(found, "IsolationReady")["status"] == "False"
    assert found["observedGeneration"] == 1
    assert pass_once(cluster, failure="quota refused") == ()
    pass_once(cluster)
    assert condition(status(cluster, "Tenant", "acme"))["status"] == "True"
    assert status(cluster, "Tenant", "acme")["observedGeneration"] == 2


def test_a_pass_cut_short_anywhere_is_finished_by_the_next() -> None:
    whole = _outcome(steady())
    count = len(reconcile_tenant(World("acme", _stored(), None), SETTINGS, NOW))
    for stop in range(count):
        cluster = FakeCluster()
        cluster.add(tenant())
        cluster.execute(reconcile_tenant(cluster.world(), SETTINGS, NOW, make_key=lambda: "key")[:stop])
        pass_once(cluster)
        cluster.roll_out()
        pass_once(cluster)
        pass_once(cluster)
        assert _outcome(cluster) == whole
        assert pass_once(cluster) == ()


def test_a_spec_that_cannot_be_met_stalls_and_writes_nothing_else() -> None:
    cluster = steady()
    cluster.change_spec("Tenant", "acme", {"network": {"egress": {"cidrs": ["1.2.3.4/99"]}}})
    (action,) = pass_once(cluster)
    assert isinstance(action, ApplyStatus)
    ready = condition(status(cluster, "Tenant", "acme"))
    assert (ready["reason"], condition(status(cluster, "Tenant", "acme"), "Stalled")["status"]) == (
        "InvalidSpec",
        "True",
    )
    assert "spec.network.egress.cidrs" in ready["message"]


def test_a_spec_of_another_version_stalls_naming_the_field() -> None:
    cluster = FakeCluster()
    cluster.add(tenant(vectorStore={"backend": "Chroma"}))
    (action,) = pass_once(cluster)
    assert isinstance(action, ApplyStatus)
    assert "spec.vectorStore.backend" in condition(status(cluster, "Tenant", "acme"))["message"]


def test_a_paused_tenant_is_left_alone_and_says_so() -> None:
    cluster = steady()
    cluster.edit("Tenant", "acme", ("metadata", "annotations"), {labels.PAUSED: "true"})
    cluster.change_spec("Tenant", "acme", {"inference": {"replicas": 2}})
    (action,) = pass_once(cluster)
    assert isinstance(action, ApplyStatus)
    found = status(cluster, "Tenant", "acme")
    assert (condition(found)["status"], condition(found)["reason"]) == ("True", "Paused")
    assert found["observedGeneration"] == 1
    assert found["tenantID"]
    assert pass_once(cluster) == ()


def test_a_namespace_that_vanished_is_rebuilt_under_the_same_tenant_id() -> None:
    cluster = steady()
    known = status(cluster, "Tenant", "acme")["tenantID"]
    cluster.sweep()
    stale = steady().world().children
    actions = reconcile_tenant(cluster.world(children=stale), SETTINGS, NOW)
    assert len([action for action in actions if isinstance(action, Apply | Create)]) == 23
    pass_once(cluster)
    assert cluster.get("Namespace", "tenant-acme")["metadata"]["annotations"] == {labels.TENANT_ID: known}


def test_the_tenant_id_recorded_in_status_outlives_the_namespace() -> None:
    cluster = steady()
    cluster.sweep()
    cluster.get("Tenant", "acme")["status"]["tenantID"] = "first"
    pass_once(cluster)
    assert cluster.get("Namespace", "tenant-acme")["metadata"]["annotations"] == {labels.TENANT_ID: "first"}
    assert not [key for key in keys(pass_once(cluster)) if "Namespace" in key]


FOREIGN: dict[str, dict[str, Any]] = {
    "unlabelled": {},
    "without tenantID": {"labels": {labels.TENANT: "acme"}},
    "of an earlier tenant": {"labels": {labels.TENANT: "acme"}, "annotations": {labels.TENANT_ID: "earlier"}},
    "of another tenant": {"labels": {labels.TENANT: "other"}, "annotations": {labels.TENANT_ID: "uid-2"}},
}


@pytest.mark.parametrize("metadata", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_foreign_namespace_is_refused_and_untouched(metadata: dict[str, Any]) -> None:
    cluster = FakeCluster()
    cluster.add(foreign_namespace(**metadata))
    cluster.add(tenant())
    (action,) = pass_once(cluster)
    assert isinstance(action, ApplyStatus)
    found = status(cluster, "Tenant", "acme")
    assert condition(found)["reason"] == "NamespaceForeign"
    assert condition(found, "Stalled")["status"] == "True"
    assert condition(found, "IsolationReady")["status"] == "False"
    assert "tenantID" not in found
    assert pass_once(cluster) == ()


def test_a_namespace_that_lost_our_label_is_foreign() -> None:
    cluster = steady()
    cluster.edit("Namespace", "tenant-acme", ("metadata", "labels", labels.TENANT), None)
    (action,) = pass_once(cluster)
    assert isinstance(action, ApplyStatus)
    assert condition(status(cluster, "Tenant", "acme"))["reason"] == "NamespaceForeign"


def test_a_dying_namespace_is_waited_for() -> None:
    cluster = steady()
    cluster.get("Namespace", "tenant-acme")["metadata"]["deletionTimestamp"] = "2026-03-01T00:00:00Z"
    cluster.edit("Deployment", "triton", ("spec", "replicas"), 0)
    (action,) = pass_once(cluster)
    assert isinstance(action, ApplyStatus)
    found = status(cluster, "Tenant", "acme")
    assert condition(found)["reason"] == "NamespaceTerminating"
    assert condition(found, "Reconciling")["status"] == "True"
    assert pass_once(cluster) == ()


def test_deletion_ends_the_pods_deletes_the_namespace_waits_and_lets_go() -> None:
    cluster = steady()
    cluster.edit("Tenant", "acme", ("metadata", "deletionTimestamp"), "2026-03-01T00:00:00Z")
    (triton, weaviate, said) = pass_once(cluster)
    for action, kind in ((triton, "Deployment"), (weaviate, "StatefulSet")):
        assert isinstance(action, Delete)
        assert (action.kind, action.with_dependents) == (kind, True)
    assert isinstance(said, ApplyStatus)
    uid = cluster.get("Namespace", "tenant-acme")["metadata"]["uid"]
    assert pass_once(cluster) == (Delete("Namespace", None, "tenant-acme", uid, "v1"),)
    assert condition(status(cluster, "Tenant", "acme"))["reason"] == "Deleting"
    assert pass_once(cluster) == ()
    cluster.sweep()
    assert keys(pass_once(cluster)) == ["remove finalizer from Tenant acme"]
    assert cluster.objects == {}


def test_deletion_waits_for_pods_that_are_ending() -> None:
    cluster = steady()
    cluster.edit("Tenant", "acme", ("metadata", "deletionTimestamp"), "2026-03-01T00:00:00Z")
    for kind, name in (("Deployment", "triton"), ("StatefulSet", "weaviate")):
        cluster.edit(kind, name, ("metadata", "deletionTimestamp"), "2026-03-01T00:00:00Z")
    assert keys(pass_once(cluster)) == ["apply status of Tenant acme"]
    assert pass_once(cluster) == ()


def test_deletion_without_our_binding_leaves_everything_to_the_namespace() -> None:
    cluster = steady()
    cluster.edit("Tenant", "acme", ("metadata", "deletionTimestamp"), "2026-03-01T00:00:00Z")
    del cluster.objects["RoleBinding", "tenant-acme", "moorage-operator"]
    assert keys(pass_once(cluster))[0] == "delete Namespace tenant-acme"


def test_deletion_with_a_foreign_namespace_lets_go_and_touches_nothing() -> None:
    cluster = steady()
    cluster.edit("Namespace", "tenant-acme", ("metadata", "annotations"), {labels.TENANT_ID: "another"})
    cluster.edit("Tenant", "acme", ("metadata", "deletionTimestamp"), "2026-03-01T00:00:00Z")
    assert keys(pass_once(cluster)) == ["remove finalizer from Tenant acme"]


def test_deletion_without_our_finalizer_is_none_of_our_business() -> None:
    cluster = FakeCluster()
    cluster.add(tenant())
    cluster.edit("Tenant", "acme", ("metadata", "deletionTimestamp"), "2026-03-01T00:00:00Z")
    assert pass_once(cluster) == ()


def test_a_cleared_status_is_rebuilt() -> None:
    cluster = steady()
    before = status(cluster, "Tenant", "acme")
    cluster.edit("Tenant", "acme", ("status",), None)
    pass_once(cluster)
    assert status(cluster, "Tenant", "acme") == before


def test_members_become_subjects_of_their_roles() -> None:
    members = [
        {"kind": "User", "name": "zoe", "role": "viewer"},
        {"kind": "Group", "name": "apps", "role": "user"},
        {"kind": "ServiceAccount", "name": "quickstart", "role": "admin"},
        {"kind": "User", "name": "bob", "role": "developer"},
    ]
    cluster = steady(members=members)
    rbac = "rbac.authorization.k8s.io"
    assert cluster.get("RoleBinding", "moorage-viewer")["subjects"] == [
        {"kind": "ServiceAccount", "name": "moorage-viewer", "namespace": "tenant-acme"},
        {"kind": "Group", "name": "apps", "apiGroup": rbac},
        {"kind": "User", "name": "zoe", "apiGroup": rbac},
    ]
    assert cluster.get("RoleBinding", "moorage-developer")["roleRef"]["name"] == "moorage-tenant-developer"
    assert cluster.get("RoleBinding", "moorage-admin")["subjects"] == [
        {"kind": "ServiceAccount", "name": "moorage-admin", "namespace": "tenant-acme"}
    ]
    assert cluster.get("ServiceAccount", "moorage-admin")["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    "spec",
    [
        {"members": [{"kind": "User", "name": "alice", "role": "admin"}]},
        {"quota": {"cpu": "2", "memory": "4Gi", "pods": 5}},
        {"network": {"egress": {"mode": "None"}, "allowIngressFromNamespaces": ["web"]}},
        {"displayName": "Acme"},
    ],
    ids=lambda spec: next(iter(spec)),
)
def test_members_quota_and_network_leave_pod_templates_alone(spec: dict[str, Any]) -> None:
    def templates(cluster: FakeCluster) -> list[Any]:
        workloads = (cluster.get("Deployment", "triton"), cluster.get("StatefulSet", "weaviate"))
        return [workload["spec"]["template"] for workload in workloads]

    assert templates(steady(**spec)) == templates(steady())


def test_named_namespaces_reach_triton_alone_and_its_two_ports_alone() -> None:
    cluster = steady(network={"allowIngressFromNamespaces": ["web", "batch"]})
    _, rule = cluster.get("NetworkPolicy", "triton")["spec"]["ingress"]
    names_of = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["batch", "web"]}
    assert rule["from"] == [{"namespaceSelector": {"matchExpressions": [names_of]}}]
    assert [port["port"] for port in rule["ports"]] == [names.TRITON_HTTP_PORT, names.TRITON_GRPC_PORT]
    for other in ("weaviate", "default-deny"):
        assert cluster.get("NetworkPolicy", other) == steady().get("NetworkPolicy", other) | {
            "metadata": cluster.get("NetworkPolicy", other)["metadata"]
        }


def test_no_replicas_asked_for_is_nothing_missing() -> None:
    cluster = steady(inference={"replicas": 0})
    found = status(cluster, "Tenant", "acme")
    assert condition(found, "InferenceReady")["reason"] == "NotRequested"
    assert condition(found)["status"] == "True"


def test_a_workload_that_rolls_out_is_not_ready_yet() -> None:
    cluster = steady()
    cluster.change_spec("Tenant", "acme", {"inference": {"replicas": 2}})
    pass_once(cluster)
    assert condition(status(cluster, "Tenant", "acme"))["reason"] == "Progressing"
    assert condition(status(cluster, "Tenant", "acme"), "InferenceReady")["status"] == "True"


def _stored() -> dict[str, Any]:
    return FakeCluster().add(tenant())


def _outcome(cluster: FakeCluster) -> Any:
    volatile = {"resourceVersion", "uid", "annotations"}
    return {
        key: {**found, "status": None, "metadata": {k: v for k, v in found["metadata"].items() if k not in volatile}}
        for key, found in cluster.objects.items()
    }
