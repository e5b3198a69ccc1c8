"""Models through the API are ModelDeployments in the tenant's namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.api.conftest import eventually, seen_by_operator

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.api import Api
    from tests.support.kube import Kube, Manifest

Headers = dict[str, str]
TEXT = "x = '\N{WAVING HAND SIGN} \u2028 \x85'"
"""Characters that JSON and YAML write differently."""
SPEC = {"source": {"inline": {"files": {"1/model.py": TEXT}}}, "backend": "python"}


def manifest(tenant: str, name: str = "m") -> Manifest:
    metadata = {"name": name, "namespace": f"tenant-{tenant}"}
    return {"apiVersion": "moorage.dev/v1alpha1", "kind": "ModelDeployment", "metadata": metadata}


def models(tenant: str) -> str:
    return f"/api/v1/tenants/{tenant}/models"


@pytest.fixture
async def tenant(name: str, tenant_of_kubectl: Callable[..., Any]) -> str:
    await tenant_of_kubectl(name)
    return name


async def test_a_model_lives_from_creation_to_deletion(api: Api, admin: Headers, kube: Kube, tenant: str) -> None:
    created = await api.client.post(models(tenant), headers=admin, json={"name": "m", "spec": SPEC})
    assert created.status_code == 201
    assert created.headers["location"] == f"{models(tenant)}/m"
    live = kube.get(manifest(tenant)).json()
    assert live["spec"]["source"] == SPEC["source"]
    assert created.headers["etag"] == f'"{live["metadata"]["uid"]}.1"'

    tagged = {**admin, "If-Match": created.headers["etag"]}
    spec = {**SPEC, "backend": "onnxruntime"}
    replaced = await api.client.put(f"{models(tenant)}/m", headers=tagged, json={"spec": spec})
    assert replaced.status_code == 200
    assert (await api.client.get(f"{models(tenant)}/m", headers=admin)).json() == replaced.json()
    assert (await api.client.delete(f"{models(tenant)}/m", headers=tagged)).status_code == 412

    assert (await api.client.delete(f"{models(tenant)}/m", headers=admin)).status_code == 204
    assert (await api.client.get(f"{models(tenant)}/m", headers=admin)).status_code == 404
    assert (await api.client.get(models(tenant), headers=admin)).json()["items"] == []
    assert kube.get(manifest(tenant)).status_code == 404


async def test_a_model_of_kubectl_appears_by_itself(api: Api, admin: Headers, kube: Kube, tenant: str) -> None:
    assert kube.apply({**manifest(tenant), "spec": SPEC}).is_success
    await eventually(lambda: api.services.cache.models(f"tenant-{tenant}"))

    listed = (await api.client.get(models(tenant), headers=admin)).json()["items"]
    assert [each["name"] for each in listed] == ["m"]


@pytest.mark.parametrize(
    ("source", "field"),
    [
        ({}, "spec.source"),
        ({"uri": "https://x.example/m"}, "spec.source"),
        ({"uri": "ftp://x.example/m", "sha256": "0" * 64}, "spec.source.uri"),
        ({"inline": {"files": {"../escape": "x"}}}, "spec.source"),
    ],
)
async def test_an_invalid_source_is_refused_with_its_field(
    api: Api, admin: Headers, tenant: str, source: dict[str, Any], field: str
) -> None:
    body = {"name": "m", "spec": {"source": source}}
    answer = await api.client.post(models(tenant), headers=admin, json=body)

    assert answer.status_code == 422
    assert {each["field"] for each in answer.json()["errors"]} == {field}


async def test_a_name_with_two_dashes_is_refused(api: Api, admin: Headers, tenant: str) -> None:
    answer = await api.client.post(models(tenant), headers=admin, json={"name": "a--b", "spec": SPEC})

    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["metadata.name"]


async def test_a_model_of_another_manager_is_not_taken(api: Api, admin: Headers, kube: Kube, tenant: str) -> None:
    assert kube.apply({**manifest(tenant), "spec": SPEC}, manager="argocd").is_success

    answer = await api.client.put(
        f"{models(tenant)}/m", headers=admin, json={"spec": {**SPEC, "backend": "onnxruntime"}}
    )

    assert answer.status_code == 409
    assert answer.json()["code"] == "managed-elsewhere"
    assert "argocd manages spec.backend" in answer.json()["detail"]


async def test_a_tenant_without_a_namespace_takes_no_models_yet(api: Api, admin: Headers, name: str) -> None:
    await api.client.post("/api/v1/tenants", headers=admin, json={"name": name})

    answer = await api.client.post(models(name), headers=admin, json={"name": "m", "spec": SPEC})

    assert answer.status_code == 503
    assert answer.headers["retry-after"]


async def test_a_foreign_namespace_of_the_derived_name_is_never_written_to(
    api: Api, admin: Headers, kube: Kube, name: str
) -> None:
    await api.client.post("/api/v1/tenants", headers=admin, json={"name": name})
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"tenant-{name}"}}
    assert kube.apply(namespace).is_success

    answer = await api.client.post(models(name), headers=admin, json={"name": "m", "spec": SPEC})

    assert answer.status_code == 503
    assert kube.get(manifest(name)).status_code == 404


async def test_a_namespace_that_vanished_is_waited_for(api: Api, admin: Headers, kube: Kube, name: str) -> None:
    created = (await api.client.post("/api/v1/tenants", headers=admin, json={"name": name})).json()
    tenant = {"apiVersion": "moorage.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": name}}
    seen_by_operator(kube, tenant, created["uid"])
    await eventually(lambda: (api.services.cache.tenant(name) or {}).get("status"))

    answer = await api.client.post(models(name), headers=admin, json={"name": "m", "spec": SPEC})

    assert answer.status_code == 503
    assert "namespace" in answer.json()["detail"]


async def test_a_model_beyond_the_quota_is_refused_with_the_bound(
    api: Api, admin: Headers, name: str, tenant_of_kubectl: Callable[..., Any]
) -> None:
    await tenant_of_kubectl(name, quota={"models": 1})
    assert (await api.client.post(models(name), headers=admin, json={"name": "m", "spec": SPEC})).status_code == 201

    answer = await api.client.post(models(name), headers=admin, json={"name": "n", "spec": SPEC})

    assert (answer.status_code, answer.json()["code"]) == (403, "quota-exceeded")
    assert "spec.quota.models is 1, and there are 1 models" in answer.json()["detail"]
    assert (await api.client.delete(f"{models(name)}/m", headers=admin)).status_code == 204
    assert (await api.client.post(models(name), headers=admin, json={"name": "n", "spec": SPEC})).status_code == 201
