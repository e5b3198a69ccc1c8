"""Text in, hits out: the routes, the tenant's own model on a real Triton, and a real Weaviate, all together."""

from __future__ import annotations

import base64
import math
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from moorage_api.gateway.proxy import Proxy
from moorage_api.gateway.service import Gateway
from moorage_api.vectors.backends.weaviate.pool import Address, Pool
from moorage_api.vectors.service import Vectors
from moorage_api.vectors.store_secrets import StoreSecrets
from moorage_crds import names, permissions
from tests.support import api as support
from tests.support.triton import INFERENCE_KEY, TritonServer
from tests.support.weaviate import WeaviateServer

REVISION, OTHER = "aaaaaaaa", "bbbbbbbb"
DIMENSIONS = 64
BASE = "/api/v1/tenants/acme/collections"

_MODEL = """
import hashlib
import numpy
import triton_python_backend_utils as pb

class TritonPythonModel:
    def execute(self, requests):
        return [self.embed(pb.get_input_tensor_by_name(each, "TEXT").as_numpy()) for each in requests]

    def embed(self, texts):
        vectors = numpy.zeros((len(texts), 64), dtype=numpy.float32)
        for row, text in enumerate(texts.reshape(-1)):
            for word in text.decode().lower().split():
                vectors[row, hashlib.sha256(word.encode()).digest()[0] % 64] += 1
        return pb.InferenceResponse([pb.Tensor("EMBEDDING", vectors)])
"""
_CONFIG = """
name: "{name}"
backend: "python"
input [ {{ name: "TEXT" data_type: TYPE_STRING dims: [ -1 ] }} ]
output [ {{ name: "EMBEDDING" data_type: TYPE_FP32 dims: [ -1, 64 ] }} ]
"""


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """A Triton that holds an embedder: the words of a text, hashed into 64 numbers."""
    folder = tmp_path_factory.mktemp("triton")
    model = folder / "repository" / names.triton_name("embedder", REVISION)
    (model / "1").mkdir(parents=True)
    (model / "1" / "model.py").write_text(_MODEL)
    (model / "config.pbtxt").write_text(_CONFIG.format(name=model.name))
    with TritonServer(folder, folder / "triton.log") as server:
        yield server


@dataclass
class Site:
    """The running API with one tenant, and people with keys."""

    api: support.Api
    writer: dict[str, str]
    reader: dict[str, str]

    async def call(self, method: str, path: str = "", **more: Any) -> httpx.Response:
        """Call a route below the collections, as the one who may write unless told otherwise."""
        return await self.api.client.request(method, BASE + path, **({"headers": self.writer} | more))

    def serve(self, revision: str) -> None:
        """Make this revision the embedder's stable one."""
        self.api.services.cache.observe("ModelDeployment", _embedder(revision))


@pytest.fixture
async def site(tmp_path: Path, triton: TritonServer, weaviate_server: WeaviateServer) -> AsyncIterator[Site]:
    """The API, tenant ``acme``, its embedder loaded, no collection yet."""
    async with (
        support.nowhere() as kubernetes,
        support.serving(support.settings(tmp_path), kubernetes, watch=False) as api,
    ):
        cache = api.services.cache
        proxy = Proxy(address=lambda _: f"127.0.0.1:{triton.ports[0]}")
        gateway = Gateway(cache, proxy, api.services.authenticator)
        await gateway.open()
        here = Address("127.0.0.1", weaviate_server.http_port, weaviate_server.grpc_port)
        vectors = Vectors(cache, gateway, Pool(lambda _: here), StoreSecrets(kubernetes, api.clock))
        api.app.state.vectors = vectors
        tenant = support.tenant(uid=str(tmp_path))
        cache.observe("Tenant", tenant)
        keys = {names.INFERENCE_KEY: INFERENCE_KEY, names.WEAVIATE_KEY: weaviate_server.key}
        data = {name: base64.b64encode(value.encode()).decode() for name, value in keys.items()}
        cache.observe("Secret", {"metadata": _metadata(names.CREDENTIALS), "data": data})
        cache.observe("EndpointSlice", _slice())
        cache.observe("ModelDeployment", _embedder(REVISION))
        owner = await api.user("alice")
        await api.grant(owner, tenant, "developer")
        writer = await api.api_key(owner, tenant, permissions.VECTORS_READ, permissions.VECTORS_WRITE)
        yield Site(api, writer, await api.api_key(owner, tenant, permissions.VECTORS_READ))
        await vectors.close()
        await gateway.close()


def _metadata(name: str) -> dict[str, Any]:
    return {"name": name, "namespace": "tenant-acme", "resourceVersion": "1"}


def _slice() -> dict[str, Any]:
    endpoint = {
        "addresses": ["10.244.0.5"],
        "conditions": {"ready": True},
        "targetRef": {"kind": "Pod", "name": "triton-u1", "uid": "u1"},
    }
    return {"metadata": _metadata("triton-x"), "addressType": "IPv4", "endpoints": [endpoint]}


def _embedder(revision: str) -> dict[str, Any]:
    held = [{"name": revision, "state": "Loaded"}]
    status = {
        "stableRevision": revision,
        "traffic": [{"revision": revision, "tritonName": names.triton_name("embedder", revision), "weight": 100}],
        "replicas": [{"pod": "triton-u1", "podUID": "u1", "revisions": held}],
    }
    inputs = [{"name": "TEXT", "data_type": "TYPE_STRING", "dims": [-1]}]
    return {"metadata": _metadata("embedder"), "spec": {"config": {"inputs": inputs}}, "status": status}


NEW = {"name": "docs", "dimensions": DIMENSIONS, "embedding": {"model": "embedder"}}
TEXTS = {
    "harbour": "boats moor in the harbour",
    "forest": "trees stand in the forest",
    "kitchen": "pots hang in the kitchen",
}


async def test_texts_are_embedded_stored_and_found(site: Site) -> None:
    made = await site.call("POST", json=NEW)
    assert (made.status_code, made.headers["location"]) == (201, f"{BASE}/docs")
    assert made.json()["embedding"] == {
        "model": "embedder",
        "revision": REVISION,
        "input": "TEXT",
        "output": "EMBEDDING",
    }
    objects = [{"id": each, "text": text, "metadata": {"n": at}} for at, (each, text) in enumerate(TEXTS.items())]
    stored = await site.call("POST", "/docs/objects", json={"objects": objects})
    assert (stored.status_code, stored.json()["stored"]) == (200, 3)
    found = (await site.call("POST", "/docs/search", json={"text": "trees of a forest", "top_k": 2})).json()["items"]
    assert found[0]["id"] == "forest"
    assert 1 >= found[0]["score"] > found[1]["score"] >= 0
    filtered = await site.call("POST", "/docs/search", json={"text": "trees", "filter": {"n": {"$ne": 1}}})
    assert {hit["id"] for hit in filtered.json()["items"]} == {"harbour", "kitchen"}


async def test_more_texts_than_a_batch_are_embedded_in_order(site: Site) -> None:
    await site.call("POST", json=NEW)
    objects = [{"id": str(at), "text": f"word{at} word{at}"} for at in range(130)]
    await site.call("POST", "/docs/objects", json={"objects": objects})
    for at in (0, 63, 64, 129):
        vector = (await site.call("GET", f"/docs/objects/{at}")).json()["vector"]
        found = await site.call("POST", "/docs/search", json={"text": f"word{at}", "top_k": 130})
        best = {hit["id"]: hit["score"] for hit in found.json()["items"]}
        assert math.isclose(best[str(at)], 1.0, abs_tol=1e-5)
        assert len(vector) == DIMENSIONS


async def test_another_revision_of_the_model_is_not_mixed_in(site: Site) -> None:
    await site.call("POST", json=NEW)
    site.serve(OTHER)
    answer = await site.call("POST", "/docs/search", json={"text": "boats"})
    assert (answer.status_code, answer.json()["code"]) == (409, "embedding-changed")
    assert REVISION in answer.json()["detail"]


async def test_a_model_of_another_size_is_refused_and_nothing_is_stored(site: Site) -> None:
    await site.call("POST", json=NEW | {"dimensions": 3})
    answer = await site.call("POST", "/docs/objects", json={"objects": [{"id": "a", "text": "boats"}]})
    assert answer.status_code == 422
    assert "expected model 'embedder' to answer 'EMBEDDING' as FP32 [1, 3]" in answer.json()["detail"]
    assert (await site.call("GET", "/docs")).json()["objects"] == 0


async def test_who_may_only_read_may_not_write(site: Site) -> None:
    await site.call("POST", json=NEW)
    search = await site.call("POST", "/docs/search", json={"text": "x"}, headers=site.reader)
    write = await site.call("POST", "/docs/objects", json={"objects": [{"id": "a"}]}, headers=site.reader)
    drop = await site.call("DELETE", "/docs", headers=site.reader)
    assert [search.status_code, write.status_code, drop.status_code] == [200, 403, 403]


async def test_objects_are_told_and_deleted(site: Site) -> None:
    await site.call("POST", json={"name": "docs", "dimensions": 2})
    objects = [{"id": each, "vector": [1, 0], "metadata": {"n": 1}} for each in ("a", "b/c", "d")]
    await site.call("POST", "/docs/objects", json={"objects": objects})
    assert (await site.call("GET", "/docs/objects/b%2Fc")).json() == {
        "id": "b/c",
        "text": None,
        "metadata": {"n": 1},
        "vector": [1.0, 0.0],
    }
    assert (await site.call("DELETE", "/docs/objects/b%2Fc")).status_code == 204
    assert (await site.call("GET", "/docs/objects/b%2Fc")).status_code == 404
    assert (await site.call("POST", "/docs/objects/delete", json={"filter": {"n": 1}})).json() == {"deleted": 2}
    assert (await site.call("GET")).json() == {
        "items": [{"name": "docs", "dimensions": 2, "metric": "cosine", "embedding": None}],
        "next_cursor": None,
    }
    assert (await site.call("DELETE", "/docs")).status_code == 204
    assert (await site.call("GET", "/docs")).status_code == 404


REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("", {"name": "Docs", "dimensions": 2}, 422, "name"),
    ("", {"name": "docs", "dimensions": 0}, 422, "dimensions"),
    ("", {"name": "docs", "dimensions": 2, "embedding": {"model": "unknown"}}, 422, "embedding.model"),
    ("/docs/search", {"vector": [1, 0], "text": "both"}, 422, "exactly one"),
    ("/docs/search", {"vector": [1, 0], "filter": {"n": {"$near": 1}}}, 422, "filter.n.$near"),
    ("/docs/search", {"vector": [1]}, 422, "expected 2 numbers"),
    ("/docs/search", {"text": "boats"}, 422, "no embedding model"),
    ("/docs/objects", {"objects": []}, 422, "objects"),
    ("/docs/objects", {"objects": [{"id": "a"}]}, 422, "objects.0"),
    ("/docs/objects/delete", {"filter": {}}, 422, "either ids or a filter"),
    ("/docs/objects/delete", {}, 422, "either ids or a filter"),
    ("/other/search", {"vector": [1, 0]}, 404, "other"),
]


async def test_what_is_refused_names_its_place(site: Site) -> None:
    await site.call("POST", json={"name": "docs", "dimensions": 2})
    for path, body, status, words in REFUSED:
        answer = await site.call("POST", path, json=body)
        assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text


async def test_a_tenant_without_a_store_has_no_collections(site: Site) -> None:
    tenant = site.api.services.cache.tenant("acme")
    assert tenant is not None
    metadata = tenant["metadata"] | {"resourceVersion": "2"}
    site.api.services.cache.observe(
        "Tenant", tenant | {"metadata": metadata, "spec": {"vectorStore": {"backend": "None"}}}
    )
    answer = await site.call("GET")
    assert answer.status_code == 404
    assert "spec.vectorStore.backend" in answer.json()["detail"]
