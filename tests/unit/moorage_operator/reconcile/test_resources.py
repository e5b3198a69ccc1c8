from typing import Any

import pytest

from moorage_crds.tenant import TenantSpec
from moorage_operator.reconcile import quantities, resources


def spec(**given: Any) -> TenantSpec:
    return TenantSpec.model_validate(given)


def test_the_quota_adds_a_surge_replica_and_our_agents() -> None:
    hard = resources.compute(
        spec(
            quota={"cpu": "4", "memory": "8Gi", "storage": "20Gi", "pods": 10},
            inference={"replicas": 2, "resources": {"limits": {"cpu": "1", "memory": "2Gi"}}},
        )
    ).hard
    assert hard == {
        "requests.cpu": "5060m",
        "requests.memory": "10432Mi",
        "limits.cpu": "6500m",
        "limits.memory": "10624Mi",
        "requests.storage": "20Gi",
        "requests.nvidia.com/gpu": "0",
        "pods": "11",
        "services.loadbalancers": "0",
        "services.nodeports": "0",
    }


def test_the_quota_leaves_room_for_the_gpus_of_one_surge_replica() -> None:
    gpu = {"resourceName": "nvidia.com/mig-1g.5gb", "count": 2}
    given = {"quota": {"gpu": 4, "pods": 10}, "inference": {"replicas": 2, "gpu": gpu}}
    assert resources.compute(spec(**given)).hard["requests.nvidia.com/mig-1g.5gb"] == "6"
    assert resources.triton(spec(**given))["limits"] == {"nvidia.com/mig-1g.5gb": "2"}


def test_without_surge_the_quota_leaves_no_room_beyond_itself() -> None:
    inference = {"surge": False, "gpu": {"count": 1}, "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}
    hard = resources.compute(spec(quota={"gpu": 1, "cpu": "4", "pods": 10}, inference=inference)).hard
    assert (hard["requests.nvidia.com/gpu"], hard["limits.cpu"], hard["pods"]) == ("1", "4500m", "10")


def test_the_quota_leaves_room_for_the_models_of_one_surge_replica() -> None:
    inference = {"replicas": 2, "modelStore": {"storage": {"size": "5Gi"}}}
    tenant = spec(quota={"storage": "20Gi"}, inference=inference)
    assert resources.compute(tenant).hard["requests.storage"] == "25Gi"
    assert resources.shortfalls(tenant) == ()
    less = spec(quota={"storage": "19Gi"}, inference=inference)
    assert resources.shortfalls(less) == ("spec.quota.storage: the pods need 20Gi, and the quota is 19Gi.",)


SHORT: dict[str, tuple[dict[str, Any], str]] = {
    "limits": (
        {"quota": {"cpu": "2"}, "inference": {"replicas": 2, "resources": {"limits": {"cpu": "1"}}}},
        "spec.quota.cpu: the pods need 2500m, and the quota is 2.",
    ),
    "requests": (
        {"quota": {"memory": "1Gi"}, "inference": {"resources": {"requests": {"memory": "2Gi"}}}},
        "spec.quota.memory: the pods need 4Gi, and the quota is 1Gi.",
    ),
    "storage": (
        {"quota": {"storage": "5Gi"}},
        "spec.quota.storage: the pods need 10Gi, and the quota is 5Gi.",
    ),
    "gpu": (
        {"quota": {"gpu": 1}, "inference": {"replicas": 2, "gpu": {"count": 1}}},
        "spec.quota.gpu: the pods need 2, and the quota is 1.",
    ),
    "pods": (
        {"quota": {"pods": 2}, "inference": {"replicas": 2}},
        "spec.quota.pods: the pods need 3, and the quota is 2.",
    ),
}


@pytest.mark.parametrize("case", SHORT)
def test_a_spec_that_needs_more_than_its_quota_is_told_the_bound(case: str) -> None:
    given, expected = SHORT[case]
    assert resources.shortfalls(spec(**given)) == (expected,)


@pytest.mark.parametrize("given", [{}, {"inference": {"replicas": 3}}, {"vectorStore": {"backend": "None"}}], ids=str)
def test_a_spec_within_its_quota_falls_short_of_nothing(given: dict[str, Any]) -> None:
    assert resources.shortfalls(spec(**given)) == ()


def test_a_container_without_limits_may_take_a_quarter_of_the_quota() -> None:
    compute = resources.compute(spec(quota={"cpu": "8", "memory": "16Gi"}))
    assert compute.default_limits == {"cpu": "2", "memory": "4Gi"}


@pytest.mark.parametrize("quota", [{"cpu": "100m", "memory": "64Mi"}, {"cpu": "8", "memory": "16Gi"}])
@pytest.mark.parametrize("requests", [{}, {"cpu": "5", "memory": "9Gi"}])
def test_default_limits_are_never_below_a_request(quota: dict[str, str], requests: dict[str, str]) -> None:
    tenant = spec(quota=quota, inference={"resources": {"requests": requests}})
    compute = resources.compute(tenant)
    for asked in (resources.triton(tenant)["requests"], compute.default_requests):
        for name, amount in asked.items():
            assert quantities.parse(compute.default_limits[name]) >= quantities.parse(amount)


def test_three_replicas_and_the_store_fit_a_default_quota() -> None:
    compute = resources.compute(spec(inference={"replicas": 3}))
    for name in resources.COMPUTE:
        limit = quantities.parse(compute.default_limits[name])
        agents = quantities.parse(resources.AGENT["limits"][name]) * 4
        assert limit * 5 + agents <= quantities.parse(compute.hard[f"limits.{name}"])


def test_a_limit_alone_stands_for_the_request() -> None:
    tenant = spec(inference={"resources": {"limits": {"cpu": "50m"}}})
    assert resources.triton(tenant) == {"requests": {"memory": "256Mi"}, "limits": {"cpu": "50m"}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, None), ({"limits": {"cpu": "1"}}, None), ({"limits": {"memory": "1Gi"}}, "870MiB")],
)
def test_go_gets_85_percent_of_a_memory_limit(given: dict[str, Any], expected: str | None) -> None:
    assert resources.go_memory_limit(given) == expected
