"""Every field of a Tenant's spec can be set, changed and removed, and leaves nothing behind."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from tests.support.tenant_fields import BESIDE, VALUES, spec_with
from tests.unit.moorage_operator.reconcile.builders import condition, pass_once, status, steady
from tests.unit.moorage_operator.reconcile.fake_cluster import FakeCluster

ELSEWHERE = {
    "displayName",
    "credentials.rotationPeriod",
    "deletionPolicy",
    "deletionProtection",
    "inference.pythonBackend",
    "quota.models",
    "quota.objects",
    "quota.requestsPerSecond",
    "quota.burst",
    "quota.concurrentRequests",
    "vectorStore.external.grpcEndpoint",
}
"""Fields whose effect is on models or in the API, with tests there."""


def settled(cluster: FakeCluster) -> dict[str, Any]:
    """Reconcile until nothing is left to do; returns what the children are."""
    for _ in range(5):
        if not pass_once(cluster):
            break
        cluster.roll_out()
    assert pass_once(cluster) == ()
    assert condition(status(cluster, "Tenant", "acme"))["status"] == "True"
    children = {
        f"{kind}/{name}": {key: deepcopy(value) for key, value in found.items() if key not in {"metadata", "status"}}
        for (kind, _, name), found in cluster.objects.items()
        if kind not in {"Tenant", "Secret"}
    }
    if cluster.has("HorizontalPodAutoscaler", "triton"):  # the number of pods is the autoscaler's
        del children["Deployment/triton"]["spec"]["replicas"]
    return children


@pytest.mark.parametrize("path", VALUES)
def test_a_field_can_be_set_changed_and_removed(path: str) -> None:
    beside = BESIDE.get(path, {})
    cluster = steady(**beside)
    before = settled(cluster)
    first, second = (changed(cluster, spec_with(path, value, beside)) for value in VALUES[path])
    assert (first != before) is (path not in ELSEWHERE)
    assert (first != second) is (path not in ELSEWHERE and VALUES[path][0] != VALUES[path][1])
    assert changed(cluster, beside) == before


def changed(cluster: FakeCluster, spec: dict[str, Any]) -> dict[str, Any]:
    """Replace the whole spec and return what became of the children."""
    tenant = cluster.get("Tenant", "acme")
    tenant["spec"] = {}
    cluster.change_spec("Tenant", "acme", spec)
    return settled(cluster)
