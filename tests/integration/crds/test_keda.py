"""The KEDA example is a ScaledObject as KEDA itself defines it, and fits the tenant beside it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from moorage_crds import names
from tests.support import keda

if TYPE_CHECKING:
    from tests.support.kube import Kube


@pytest.fixture(scope="module")
def scaled_object(kube: Kube) -> dict[str, Any]:
    """The example, in a cluster that serves KEDA's kind and has the tenant's namespace."""
    example = keda.example("scaledobject")
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": example["metadata"]["namespace"]}}
    for needed in (keda.scaled_object_crd(), namespace):
        answer = kube.apply(needed)
        assert answer.is_success, answer.text
    deadline = time.monotonic() + 30
    while kube.apply(example, dry_run=True).status_code == 404:
        assert time.monotonic() < deadline, "KEDA's kind is not served"
        time.sleep(0.2)
    return example


def test_keda_takes_the_scaled_object(kube: Kube, scaled_object: dict[str, Any]) -> None:
    answer = kube.apply(scaled_object, dry_run=True)
    assert answer.is_success, answer.text


def test_keda_would_refuse_another(kube: Kube, scaled_object: dict[str, Any]) -> None:
    """Its definition is what decides: a misspelt field is found out."""
    misspelt = scaled_object | {"spec": scaled_object["spec"] | {"minReplicas": 1}}
    answer = kube.apply(misspelt, dry_run=True)
    assert answer.is_client_error or answer.is_server_error
    assert "minReplicas" in answer.json()["message"]


def test_the_tenant_beside_it_is_taken(kube: Kube) -> None:
    answer = kube.apply(keda.example("tenant"), dry_run=True)
    assert answer.is_success, answer.text


def test_both_name_the_same_tenant_bounds_and_deployment(scaled_object: dict[str, Any]) -> None:
    tenant, spec = keda.example("tenant"), scaled_object["spec"]
    bounds = tenant["spec"]["inference"]["autoscaling"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (bounds["min"], bounds["max"])
    assert scaled_object["metadata"]["namespace"] == names.tenant_namespace(tenant["metadata"]["name"])
    assert spec["scaleTargetRef"] == {"name": names.TRITON}


def test_it_asks_for_a_counter_that_the_gateway_has(scaled_object: dict[str, Any]) -> None:
    [trigger] = scaled_object["spec"]["triggers"]
    name = keda.example("tenant")["metadata"]["name"]
    assert f'{names.REVISION_REQUESTS}_total{{tenant="{name}"}}' in trigger["metadata"]["query"]
