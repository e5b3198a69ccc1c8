"""Reads of the watch cache, and the silence of its credentials."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from kubernetes.aio.client import ApiClient

from moorage_api.kube.cache import ClusterCache, Credentials
from moorage_crds import names


def an_object(name: str, namespace: str | None = None, **more: Any) -> dict[str, Any]:
    metadata = {"name": name, "resourceVersion": "7", "managedFields": [{"manager": "kubectl"}]}
    return {"metadata": metadata | ({"namespace": namespace} if namespace else {}), **more}


@pytest.fixture
def cache() -> ClusterCache:
    return ClusterCache(ApiClient())


async def test_nothing_is_ready_before_the_first_list(cache: ClusterCache) -> None:
    assert not cache.ready
    assert not cache.connected


async def test_a_write_of_our_own_is_read_back(cache: ClusterCache) -> None:
    cache.observe("Tenant", an_object("acme"))
    cache.observe("ModelDeployment", an_object("sentiment", "tenant-acme"))
    tenant, model = cache.tenant("acme"), cache.model("tenant-acme", "sentiment")
    assert tenant == cache.tenants()[0]
    assert model == cache.models("tenant-acme")[0]
    assert tenant is not None
    assert "managedFields" not in tenant["metadata"]
    assert cache.model("tenant-other", "sentiment") is None


async def test_credentials_are_decoded_and_print_nothing(cache: ClusterCache) -> None:
    data = {names.INFERENCE_KEY: base64.b64encode(b"hidden").decode()}
    cache.observe("Secret", an_object(names.CREDENTIALS, "tenant-acme", data=data))
    credentials = cache.secret("tenant-acme")
    assert credentials is not None
    assert credentials.get(names.INFERENCE_KEY) == "hidden"
    assert credentials.get(names.WEAVIATE_KEY) is None
    assert "hidden" not in repr(credentials)


def test_an_empty_key_is_no_key() -> None:
    assert Credentials({"a": ""}).get("a") is None
