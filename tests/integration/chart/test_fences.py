"""A stolen operator or agent token opens nothing beyond its own room; each refusal has a control that is allowed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from moorage_crds import API_VERSION, labels, names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.kube import Kube, Manifest

SYSTEM = "moorage-system"
FENCED = names.tenant_namespace("fenced")
_TIME = "2026-01-01T00:00:00Z"


def _namespace(name: str, tenant: str | None) -> Manifest:
    own = {labels.TENANT: tenant} if tenant else {}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": own}}


def _object(kind: str, name: str, namespace: str | None, api: str = "v1", **fields: Any) -> Manifest:
    scope = {"namespace": namespace} if namespace else {}
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, **scope}, **fields}


def _binding(namespace: str, role: str) -> Manifest:
    api = "rbac.authorization.k8s.io/v1"
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
    subject = {"kind": "ServiceAccount", "name": "moorage-operator", "namespace": SYSTEM}
    return _object("RoleBinding", f"bind-{role}", namespace, api, roleRef=ref, subjects=[subject])


@pytest.fixture(scope="module")
def operator(kube: Kube) -> Iterator[Kube]:
    """The operator's account, with a tenant namespace it has made and bound itself in."""
    operator = kube.service_account(SYSTEM, "moorage-operator")
    assert operator.create(_namespace(FENCED, "fenced")).is_success
    assert operator.create(_binding(FENCED, names.OPERATOR_ROLE)).is_success
    yield operator
    kube.delete(_namespace(FENCED, "fenced"))


def test_it_may_work_in_a_tenant_namespace(operator: Kube) -> None:
    service = _object("ServiceAccount", "worker", FENCED)
    assert operator.apply(service).is_success


@pytest.mark.parametrize(
    "namespace",
    [
        _namespace("other", "other"),
        _namespace("tenant-other", None),
        _namespace("tenant-other", "another"),
        _namespace("kube-other", "other"),
    ],
    ids=lambda one: f"{one['metadata']['name']} {one['metadata']['labels']}",
)
def test_it_makes_no_namespace_but_a_tenants(operator: Kube, namespace: Manifest) -> None:
    answer = operator.create(namespace)
    assert answer.status_code == 422
    assert "moorage-operator-fence" in answer.text


def test_it_cannot_take_a_namespace_by_labelling_it(kube: Kube, operator: Kube) -> None:
    foreign = _namespace("tenant-foreign", None)
    assert kube.create(foreign).is_success
    for target in (foreign, _namespace("kube-system", None)):
        change = {"metadata": {"labels": {labels.TENANT: target["metadata"]["name"].removeprefix("tenant-")}}}
        answer = operator.merge(target, change)
        assert answer.status_code == 422
        assert "moorage-operator-fence" in answer.text
    assert operator.delete(foreign).status_code == 422
    assert kube.delete(foreign).is_success


def test_it_cannot_drop_the_label_of_its_own(operator: Kube) -> None:
    answer = operator.merge(_namespace(FENCED, "fenced"), {"metadata": {"labels": {labels.TENANT: None}}})
    assert answer.status_code == 422


def test_it_binds_itself_nowhere_else(operator: Kube) -> None:
    answer = operator.create(_binding("kube-system", names.OPERATOR_ROLE))
    assert answer.status_code in (403, 422)
    assert "moorage-operator-fence" in answer.text


def test_it_binds_no_role_but_moorages(operator: Kube) -> None:
    answer = operator.create(_binding(FENCED, "cluster-admin"))
    assert answer.status_code == 403
    assert "attempting to grant" in answer.text


def test_it_reads_no_secret_outside_of_tenants_but_the_credentials(operator: Kube) -> None:
    assert operator.get(_object("Secret", "other", SYSTEM)).status_code == 403
    assert operator.get(_object("Secret", "other", "kube-system")).status_code == 403
    assert operator.request("GET", "/api/v1/secrets").status_code == 403
    assert operator.request("GET", f"/api/v1/namespaces/{FENCED}/secrets").status_code == 403
    one_name = {"fieldSelector": f"metadata.name={names.CREDENTIALS}"}
    assert operator.request("GET", "/api/v1/secrets", params=one_name).is_success


def _role(*secrets: str, name: str = names.SOURCES_ROLE, **rule: Any) -> Manifest:
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": list(secrets)} | rule]
    return _object("Role", name, FENCED, "rbac.authorization.k8s.io/v1", rules=rules)


def test_it_grants_the_reading_of_secrets_by_name(operator: Kube) -> None:
    assert operator.apply(_role("mine")).is_success
    assert operator.apply(_role("mine", "other")).is_success


def test_it_grants_the_reading_of_one_external_stores_secret(operator: Kube) -> None:
    assert operator.apply(_role("store", name=names.STORE_ROLE)).is_success


@pytest.mark.parametrize(
    "role",
    [
        _role(),
        _role(names.CREDENTIALS),
        _role("mine", names.CREDENTIALS),
        _role("mine", name="other"),
        _role("mine", resources=["secrets", "services"]),
        _role(name=names.STORE_ROLE),
        _role(names.CREDENTIALS, name=names.STORE_ROLE),
        _role("store", "another", name=names.STORE_ROLE),
        _role("store", name=names.STORE_ROLE, resources=["configmaps"]),
    ],
    ids=[
        "every Secret",
        "Moorage's own",
        "Moorage's own too",
        "another Role",
        "another kind too",
        "every Secret to the API",
        "Moorage's own to the API",
        "two Secrets to the API",
        "another kind to the API",
    ],
)
def test_it_grants_nothing_else(operator: Kube, role: Manifest) -> None:
    answer = operator.apply(role)
    assert answer.status_code in (403, 422)
    assert "moorage-operator-roles" in answer.text or "attempting to grant" in answer.text


@pytest.mark.parametrize("verb", ["list", "delete", "*"])
def test_it_grants_no_right_that_it_lacks(operator: Kube, verb: str) -> None:
    answer = operator.apply(_role("mine", verbs=[verb]))
    assert answer.status_code in (403, 422)


def test_it_grants_nothing_in_other_namespaces(operator: Kube) -> None:
    elsewhere = _role("mine")
    elsewhere["metadata"]["namespace"] = SYSTEM
    assert operator.apply(elsewhere).status_code in (403, 422)


def check_reads_one_alone(kube: Kube, operator: Kube, reader: Kube, role: str, account: dict[str, str]) -> None:
    """Let the operator grant one of two Secrets, and see that the account reads that and no other, nor lists them."""
    granted, kept = (_object("Secret", f"{name}-for-{role}", FENCED) for name in ("granted", "kept"))
    for made in (granted, kept):
        assert kube.create(made).is_success
    assert operator.apply(_role(granted["metadata"]["name"], name=role)).is_success
    binding = _binding(FENCED, role)
    binding["roleRef"]["kind"] = "Role"
    binding["subjects"] = [{"kind": "ServiceAccount", **account}]
    assert operator.create(binding).is_success
    deadline = time.monotonic() + 10
    while reader.get(granted).status_code == 403 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert reader.get(granted).is_success
    assert reader.get(kept).status_code == 403
    assert reader.request("GET", f"/api/v1/namespaces/{FENCED}/secrets").status_code == 403


def test_an_agent_reads_the_secrets_it_was_granted_and_no_other(kube: Kube, operator: Kube, agent: Kube) -> None:
    account = {"name": names.AGENT_SERVICE_ACCOUNT, "namespace": FENCED}
    check_reads_one_alone(kube, operator, agent, names.SOURCES_ROLE, account)


def test_two_rules_are_no_way_to_two_secrets_of_stores(operator: Kube) -> None:
    role = _role("store", name=names.STORE_ROLE)
    role["rules"] += _role("another")["rules"]
    answer = operator.apply(role)
    assert answer.status_code == 422
    assert "moorage-operator-roles" in answer.text


def test_the_api_reads_the_stores_secret_it_was_granted_and_no_other(kube: Kube, operator: Kube) -> None:
    account = {"name": names.API_SERVICE_ACCOUNT, "namespace": SYSTEM}
    check_reads_one_alone(kube, operator, kube.service_account(SYSTEM, account["name"]), names.STORE_ROLE, account)


def test_it_changes_no_secret_but_the_credentials(operator: Kube) -> None:
    for name in (names.CREDENTIALS, "other"):
        assert operator.create(_object("Secret", name, FENCED)).is_success
    change = {"metadata": {"annotations": {labels.ROTATION: "1"}}}
    assert operator.merge(_object("Secret", names.CREDENTIALS, FENCED), change).is_success
    assert operator.merge(_object("Secret", "other", FENCED), change).status_code == 403
    assert operator.delete(_object("Secret", names.CREDENTIALS, FENCED)).status_code == 403


def test_it_writes_its_own_lease_and_no_other(operator: Kube) -> None:
    api = "coordination.k8s.io/v1"
    assert operator.create(_object("Lease", "moorage-operator", SYSTEM, api)).is_success
    answer = operator.create(_object("Lease", "other", SYSTEM, api))
    assert "moorage-operator-fence" in answer.text


def test_it_writes_no_spec(kube: Kube, operator: Kube) -> None:
    tenant = _object("Tenant", "specced", None, API_VERSION, spec={})
    assert kube.create(tenant).is_success
    answer = operator.merge(tenant, {"spec": {"displayName": "taken"}})
    assert answer.status_code == 422
    assert "writes no spec" in answer.text
    assert operator.merge(tenant, {"metadata": {"finalizers": [labels.FINALIZER]}}).is_success
    assert operator.merge(tenant, {"metadata": {"finalizers": None}}).is_success
    assert kube.delete(tenant).is_success


def _status(**status: Any) -> Manifest:
    return _object("ModelDeployment", "m", FENCED, API_VERSION, status=status)


def _entry(pod: str, uid: str) -> Manifest:
    return {"pod": pod, "podUID": uid, "lastChangeTime": _TIME, "revisions": [{"name": "0" * 8, "state": "Loaded"}]}


@pytest.fixture(scope="module")
def agent(kube: Kube, operator: Kube) -> Kube:
    """The agent of pod p1 in the tenant namespace, beside a model to report on."""
    binding = _binding(FENCED, names.AGENT_ROLE)
    binding["subjects"] = [{"kind": "ServiceAccount", "name": names.AGENT_SERVICE_ACCOUNT, "namespace": FENCED}]
    assert operator.create(binding).is_success
    spec = {"source": {"inline": {"files": {"1/model.py": "x"}}}}
    assert kube.create(_object("ModelDeployment", "m", FENCED, API_VERSION, spec=spec)).is_success
    return kube.service_account(FENCED, names.AGENT_SERVICE_ACCOUNT, pod_name="p1", pod_uid="u1")


def _report(agent: Kube, pod: str, **status: Any) -> Any:
    return agent.apply(_status(**status), manager=names.agent_field_manager(pod), subresource="status")


def test_an_agent_writes_its_own_entry(agent: Kube) -> None:
    answer = _report(agent, "p1", replicas=[_entry("p1", "u1")])
    assert answer.is_success, answer.text


@pytest.mark.parametrize(
    "status",
    [
        {"replicas": [_entry("p1", "u2")]},
        {"replicas": [_entry("p2", "u2")]},
        {"replicas": [_entry("p1", "u1"), _entry("p2", "u2")]},
        {"stableRevision": "0" * 8},
        {"traffic": [{"revision": "0" * 8, "tritonName": "m", "weight": 100}]},
    ],
    ids=["another uid", "another pod", "both", "a revision", "traffic"],
)
def test_an_agent_writes_nothing_else(agent: Kube, status: dict[str, Any]) -> None:
    answer = _report(agent, "forged", **status)
    assert answer.status_code == 422
    assert "moorage-agent-fence" in answer.text


def test_an_agent_cannot_remove_anothers_entry(kube: Kube, agent: Kube) -> None:
    other = kube.service_account(FENCED, names.AGENT_SERVICE_ACCOUNT, pod_name="p9", pod_uid="u9")
    assert _report(other, "p9", replicas=[_entry("p9", "u9")]).is_success
    answer = _report(agent, "p9", replicas=[])
    assert answer.status_code == 422
    assert "own pod's entry" in answer.text


@pytest.mark.usefixtures("agent")
def test_an_agent_without_a_pod_writes_nothing(kube: Kube) -> None:
    unbound = kube.service_account(FENCED, names.AGENT_SERVICE_ACCOUNT)
    assert _report(unbound, "p1", replicas=[_entry("p1", "u1")]).status_code == 422


def test_an_agent_sees_its_own_namespace_only(agent: Kube) -> None:
    path = "/apis/apps/v1/namespaces/{}/controllerrevisions"
    assert agent.request("GET", path.format(FENCED)).is_success
    assert agent.request("GET", path.format("default")).status_code == 403
    assert agent.request("GET", f"/api/v1/namespaces/{FENCED}/secrets").status_code == 403
