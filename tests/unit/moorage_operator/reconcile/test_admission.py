"""A spec whose pods cannot be had changes nothing that runs, and everything that bounds it."""

from __future__ import annotations

from typing import Any

import pytest

from moorage_operator.reconcile import Delete
from tests.unit.moorage_operator.reconcile.builders import condition, keys, pass_once, status, steady, tenant
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
    removed = [action.key for action in pass_once(cluster) if isinstance(action, Delete)]
    assert removed == ["delete RoleBinding tenant-acme/moorage-admin"]
