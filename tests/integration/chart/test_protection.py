"""What is protected outlives a slip of the hand, the administrator's too; each refusal has a way that is allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from moorage_crds import API_VERSION, labels
from moorage_crds.modeldeployment import ModelDeployment
from moorage_crds.tenant import Tenant

if TYPE_CHECKING:
    from tests.support.kube import Kube, Manifest

SYSTEM = "moorage-system"
TENANTS = f"/apis/{API_VERSION}/tenants"


def _tenant(name: str, *, protected: bool) -> Manifest:
    spec = {"deletionProtection": protected}
    return {"apiVersion": API_VERSION, "kind": "Tenant", "metadata": {"name": name}, "spec": spec}


def _namespace(name: str, **annotations: str) -> Manifest:
    own = {labels.TENANT: name.removeprefix("tenant-")}
    metadata = {"name": name, "labels": own, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def test_a_protected_tenant_is_not_deleted_until_its_protection_is_lifted(kube: Kube) -> None:
    guarded = _tenant("guarded", protected=True)
    assert kube.create(guarded).is_success
    refused = kube.delete(guarded)
    assert refused.status_code == 422
    assert "tenant guarded is protected: set spec.deletionProtection to false first" in refused.text
    assert kube.get(guarded).is_success
    assert kube.merge(guarded, {"spec": {"deletionProtection": False}}).is_success
    assert kube.delete(guarded).is_success


def test_deleting_all_tenants_at_once_leaves_the_protected(kube: Kube) -> None:
    guarded, other = _tenant("guarded-all", protected=True), _tenant("other-all", protected=False)
    for one in (guarded, other):
        one["metadata"]["labels"] = {"test": "all"}
        assert kube.create(one).is_success
    assert kube.request("DELETE", TENANTS, params={"labelSelector": "test=all"}).status_code == 422
    assert kube.get(guarded).is_success
    assert kube.merge(guarded, {"spec": {"deletionProtection": False}}).is_success
    assert kube.request("DELETE", TENANTS, params={"labelSelector": "test=all"}).is_success
    assert kube.get(guarded).status_code == kube.get(other).status_code == 404


def test_a_protected_tenants_namespace_is_deleted_by_nobody_but_the_operator(kube: Kube) -> None:
    guarded = _namespace("tenant-guarded", **{labels.DELETION_PROTECTION: "true"})
    assert kube.create(guarded).is_success
    refused = kube.delete(guarded)
    assert refused.status_code == 422
    assert "set spec.deletionProtection of tenant guarded to false first" in refused.text
    operator = kube.service_account(SYSTEM, "moorage-operator")
    assert operator.delete(guarded).is_success


@pytest.mark.parametrize(
    "namespace",
    [
        _namespace("tenant-open"),
        _namespace("tenant-lifted", **{labels.DELETION_PROTECTION: "false"}),
        _namespace("elsewhere", **{labels.DELETION_PROTECTION: "true"}),
    ],
    ids=lambda one: one["metadata"]["name"],
)
def test_any_other_namespace_is_deleted_as_ever(kube: Kube, namespace: Manifest) -> None:
    assert kube.create(namespace).is_success
    assert kube.delete(namespace).is_success


@pytest.mark.parametrize("plural", [Tenant.PLURAL, ModelDeployment.PLURAL])
def test_our_definitions_are_deleted_only_by_who_says_so(kube: Kube, plural: str) -> None:
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.moorage.dev"},
    }
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.moorage.dev"
    trial = {"dryRun": "All"}
    refused = kube.request("DELETE", path, params=trial)
    assert refused.status_code == 422
    assert "annotate it moorage.dev/allow-deletion=true first" in refused.text
    for value in ("true", None):
        assert kube.merge(definition, {"metadata": {"annotations": {labels.ALLOW_DELETION: value}}}).is_success
        assert kube.request("DELETE", path, params=trial).is_success is (value == "true")


def test_other_definitions_are_deleted_as_ever(kube: Kube) -> None:
    spec = {
        "group": "example.test",
        "scope": "Namespaced",
        "names": {"kind": "Thing", "plural": "things", "singular": "thing"},
        "versions": [
            {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
        ],
    }
    other = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.test"},
        "spec": spec,
    }
    assert kube.create(other).is_success
    assert kube.delete(other).is_success


def test_the_mark_is_the_annotation_of_the_vocabulary(kube: Kube) -> None:
    path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/"
    for policy, key in (
        ("moorage-namespace-protection", labels.DELETION_PROTECTION),
        ("moorage-crd-protection", labels.ALLOW_DELETION),
    ):
        assert key in kube.request("GET", path + policy).text
