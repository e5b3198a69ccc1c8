"""A spec whose pods cannot be had changes nothing that runs, and everything that bounds it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from moorage_operator.reconcile import Delete, Proxy, TenantRules
from tests.unit.moorage_operator.reconcile.builders import SETTINGS, condition, keys, pass_once, status, steady, tenant
from tests.unit.moorage_operator.reconcile.fake_cluster import FakeCluster

TOO_MUCH: dict[str, tuple[dict[str, Any], str, str]] = {
    "quota too small": ({"quota": {"pods": 1}}, "QuotaExceeded", "spec.quota.pods"),
    "pods too many": ({"inference": {"replicas": 30}}, "QuotaExceeded", "spec.quota.cpu"),
    "a GPU without a quota": ({"inference": {"gpu": {"count": 1}}}, "QuotaExceeded", "spec.quota.gpu"),
}
WORKLOADS = (("Deployment", "triton"), ("StatefulSet", "weaviate"))


@pytest.mark.parametrize("case", TOO_MUCH)
def test_what_ran_before_goes_on_and_the_condition_says_why(case: str) -> None:
    spec, reason, field = TOO_MUCH[case]
    cluster = steady()
    before = [cluster.get(*one)["spec"] for one in WORKLOADS]
    cluster.change_spec("Tenant", "acme", spec)
    pass_once(cluster)
    assert [cluster.get(*one)["spec"] for one in WORKLOADS] == before
    found = status(cluster, "Tenant", "acme")
    assert (condition(found)["status"], condition(found)["reason"]) == ("False", reason)
    assert field in condition(found)["message"]
    assert condition(found, "Stalled")["status"] == "True"
    assert condition(found, "InferenceReady")["status"] == "True"
    assert found["observedGeneration"] == 2
    assert pass_once(cluster) == ()


@pytest.mark.parametrize("case", TOO_MUCH)
def test_it_recovers_by_itself_once_the_spec_can_be_met(case: str) -> None:
    cluster = steady()
    cluster.get("Tenant", "acme")["spec"] = {}
    cluster.change_spec("Tenant", "acme", TOO_MUCH[case][0])
    pass_once(cluster)
    cluster.get("Tenant", "acme")["spec"] = {}
    cluster.change_spec("Tenant", "acme", {})
    pass_once(cluster)
    assert condition(status(cluster, "Tenant", "acme"))["status"] == "True"


@pytest.mark.parametrize("case", TOO_MUCH)
def test_a_tenant_that_never_had_a_good_spec_gets_its_fence_and_no_pods(case: str) -> None:
    cluster = FakeCluster()
    cluster.add(tenant(**TOO_MUCH[case][0]))
    pass_once(cluster)
    assert cluster.has("NetworkPolicy", "default-deny")
    assert not any(cluster.has(*one) for one in WORKLOADS)
    assert pass_once(cluster) == ()


def test_a_lowered_quota_holds_although_the_pods_pass_it() -> None:
    cluster = steady()
    cluster.change_spec("Tenant", "acme", {"quota": {"pods": 1}})
    assert keys(pass_once(cluster)) == ["apply ResourceQuota tenant-acme/moorage", "apply status of Tenant acme"]
    assert cluster.get("ResourceQuota", "moorage")["spec"]["hard"]["pods"] == "2"


def test_rights_are_taken_away_and_nothing_else_while_pods_are_held() -> None:
    cluster = steady(members=[{"kind": "User", "name": "alice", "role": "admin"}])
    less = {"members": [], "quota": {"cpu": "100m"}, "vectorStore": {"backend": "None"}}
    cluster.change_spec("Tenant", "acme", less)
    written = pass_once(cluster)
    assert "apply RoleBinding tenant-acme/moorage-admin" in keys(written)
    assert [action.key for action in written if isinstance(action, Delete)] == []
    assert [one["kind"] for one in cluster.get("RoleBinding", "moorage-admin")["subjects"]] == ["ServiceAccount"]


RULES = TenantRules(storage_classes=("fast",), runtime_classes=("gvisor", "kata"), python_needs_runtime_class=True)
BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "a runtime class": (
        {"inference": {"runtimeClassName": "runc"}},
        "spec.inference.runtimeClassName: expected one of",
    ),
    "a storage class of models": (
        {"inference": {"modelStore": {"storage": {"storageClassName": "slow"}}}},
        "spec.inference.modelStore.storage.storageClassName: expected one of fast, got 'slow'.",
    ),
    "a storage class of vectors": (
        {"vectorStore": {"storage": {"storageClassName": "slow"}}},
        "spec.vectorStore.storage.storageClassName: expected one of fast",
    ),
    "Python outside a sandbox": (
        {"inference": {"pythonBackend": "Enabled"}},
        "spec.inference.runtimeClassName: the platform demands one",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_rule_of_the_platforms_that_is_broken_is_named_with_its_field(case: str) -> None:
    spec, words = BROKEN[case]
    cluster = steady()
    before = cluster.get("Deployment", "triton")["spec"]
    cluster.change_spec("Tenant", "acme", spec)
    pass_once(cluster, settings=replace(SETTINGS, tenants=RULES))
    ready = condition(status(cluster, "Tenant", "acme"))
    assert ready["reason"] == "InvalidSpec"
    assert words in ready["message"]
    assert cluster.get("Deployment", "triton")["spec"] == before


def test_what_the_platform_allows_is_done() -> None:
    storage = {"storageClassName": "fast"}
    inference = {"runtimeClassName": "kata", "pythonBackend": "Enabled", "modelStore": {"storage": storage}}
    cluster = FakeCluster()
    cluster.add(tenant(inference=inference, vectorStore={"storage": storage}))
    pass_once(cluster, settings=replace(SETTINGS, tenants=RULES))
    pod = cluster.get("Deployment", "triton")["spec"]["template"]["spec"]
    assert pod["runtimeClassName"] == "kata"
    (models,) = [volume for volume in pod["volumes"] if volume["name"] == "models"]
    claim = models["ephemeral"]["volumeClaimTemplate"]["spec"]
    assert (claim["storageClassName"], claim["resources"]["requests"]["storage"]) == ("fast", "10Gi")


def test_pull_secrets_are_named_by_every_pod() -> None:
    cluster = FakeCluster()
    cluster.add(tenant())
    pass_once(cluster, settings=replace(SETTINGS, tenants=TenantRules(pull_secrets=("registry",))))
    for one in WORKLOADS:
        assert cluster.get(*one)["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "registry"}]


PROXY = Proxy(url="http://proxy.corp:3128", past=("corp", "10.0.0.0/8"), cidrs=("192.0.2.7/32",))


def proxied(mode: str) -> FakeCluster:
    cluster = FakeCluster()
    cluster.add(tenant(network={"egress": {"mode": mode}}))
    pass_once(cluster, settings=replace(SETTINGS, proxy=PROXY))
    return cluster


def test_the_platforms_proxy_is_told_to_the_agent_alone() -> None:
    pod = proxied("PublicHTTPS").get("Deployment", "triton")["spec"]["template"]["spec"]
    told = {
        one["name"]: {env["name"]: env["value"] for env in one["env"] if "PROXY" in env["name"]}
        for one in (*pod["initContainers"], *pod["containers"])
    }
    given = {"MOORAGE_HTTPS_PROXY": PROXY.url, "MOORAGE_NO_PROXY": "corp,10.0.0.0/8"}
    assert told == {"agent": given} | {name: {} for name in told.keys() - {"agent"}}


@pytest.mark.parametrize(("mode", "is_open"), [("PublicHTTPS", True), ("Listed", False), ("None", False)])
def test_the_way_to_the_proxy_is_open_to_who_may_reach_the_internet(mode: str, *, is_open: bool) -> None:
    rules = proxied(mode).get("NetworkPolicy", "triton")["spec"]["egress"]
    rule = {"to": [{"ipBlock": {"cidr": "192.0.2.7/32"}}], "ports": [{"port": 3128, "protocol": "TCP"}]}
    assert (rule in rules) is is_open


def test_the_platforms_authorities_are_told_to_the_agent_alone() -> None:
    cluster = FakeCluster()
    cluster.add(tenant())
    pass_once(cluster, settings=replace(SETTINGS, tenants=TenantRules(ca_bundle="-----BEGIN CERTIFICATE-----")))
    pod = cluster.get("Deployment", "triton")["spec"]["template"]["spec"]
    containers = (*pod["initContainers"], *pod["containers"])
    told = [one["name"] for one in containers if "MOORAGE_CA_BUNDLE" in {env["name"] for env in one["env"]}]
    assert told == ["agent"]
