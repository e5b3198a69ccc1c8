"""A store that somebody else runs: a real Weaviate over TLS, its key from a real API server, through the routes."""

from __future__ import annotations

import io
import json
import logging
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from localcluster.controlplane import ControlPlane
from moorage_api.kube import client
from moorage_api.observability import logs
from moorage_api.vectors import physical
from moorage_api.vectors.store_secrets import KEPT_FOR
from moorage_crds import labels, names, permissions
from tests.support import api as support
from tests.support import weaviate
from tests.support.ports import free_ports
from tests.support.tls import Identity
from tests.support.weaviate import WeaviateServer

if TYPE_CHECKING:
    from tests.support.kube import Kube, Manifest

SYSTEM = "moorage-system"
RBAC = "rbac.authorization.k8s.io"
VECTOR = [1.0, 0.0, 0.0]
OBJECT = {"id": "a", "vector": VECTOR, "metadata": {"source": "web"}}


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    """The certificate of somebody's own authority."""
    return Identity.make(tmp_path_factory.mktemp("identity"))


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, identity: Identity) -> Iterator[WeaviateServer]:
    """A Weaviate that speaks TLS and wants a key."""
    with weaviate.running(tmp_path_factory.mktemp("elsewhere"), "external-secret-key", identity) as server:
        yield server


@dataclass
class Home:
    """A tenant that exists on the API server, whose store is elsewhere."""

    api: support.Api
    kube: Kube
    server: WeaviateServer
    tenant: Manifest
    headers: dict[str, str] = field(repr=False)

    @property
    def namespace(self) -> str:
        return names.tenant_namespace(self.tenant["metadata"]["name"])

    @property
    def hosts(self) -> str:
        return f"127.0.0.1:{self.server.http_port}, 127.0.0.1:{self.server.grpc_port}"

    async def call(self, method: str, path: str = "", **more: Any) -> httpx.Response:
        """Call a route below the collections."""
        base = f"/api/v1/tenants/{self.tenant['metadata']['name']}/collections"
        return await self.api.client.request(method, base + path, headers=self.headers, **more)

    async def refusal(self) -> dict[str, Any]:
        """Return the problem that listing the collections is answered with."""
        answer = await self.call("GET")
        assert answer.status_code == 503, answer.text
        assert self.server.key not in answer.text
        found: dict[str, Any] = answer.json()
        return found

    def secret(self, key: str | None = None, *, name: str = "store", hosts: str | None = None, **more: Any) -> Manifest:
        """Make or replace the Secret of the store."""
        metadata = {
            "name": name,
            "namespace": self.namespace,
            "labels": {labels.STORE_CREDENTIALS: "true"},
            "annotations": {labels.HOSTS: self.hosts if hosts is None else hosts},
        }
        made = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"apiKey": key}} | more
        assert self.kube.delete(made).status_code in (200, 404)
        assert self.kube.create(made).is_success
        return made

    def grant(self, name: str = "store") -> None:
        """Let the API read the Secret, as the operator does."""
        rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [name], "verbs": ["get"]}
        metadata = {"name": names.STORE_ROLE, "namespace": self.namespace}
        role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": [rule]}
        subject = {"kind": "ServiceAccount", "name": names.API_SERVICE_ACCOUNT, "namespace": SYSTEM}
        ref = {"apiGroup": RBAC, "kind": "Role", "name": names.STORE_ROLE}
        binding = role | {"kind": "RoleBinding", "roleRef": ref, "subjects": [subject]}
        del binding["rules"]
        for one in (role, binding):
            assert self.kube.apply(one).is_success
        api = self.kube.service_account(SYSTEM, names.API_SERVICE_ACCOUNT)
        wanted = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": self.namespace}}
        deadline = time.monotonic() + 10
        while api.get(wanted).status_code == 403 and time.monotonic() < deadline:
            time.sleep(0.05)

    def place(self, **external: Any) -> None:
        """Say anew where the store is."""
        self.tenant["spec"]["vectorStore"]["external"] |= external
        version = str(int(self.tenant["metadata"]["resourceVersion"]) + 1)
        self.tenant["metadata"]["resourceVersion"] = version
        self.api.services.cache.observe("Tenant", json.loads(json.dumps(self.tenant)))


@pytest.fixture
async def api(control_plane: ControlPlane, identity: Identity, tmp_path: Path) -> AsyncIterator[support.Api]:
    """The API with its own rights on the API server, trusting the authority that the chart's values name."""
    bundle = identity.certificate.read_text(encoding="utf-8")
    settings = support.settings(tmp_path, kubeconfig=control_plane.kubeconfig, ca_bundle=bundle)
    async with client.connect(settings) as kubernetes:
        account = f"system:serviceaccount:{SYSTEM}:{names.API_SERVICE_ACCOUNT}"
        kubernetes.set_default_header("Impersonate-User", account)  # type: ignore[no-untyped-call]  # untyped client
        async with support.serving(settings, kubernetes, watch=False) as running:
            yield running


@asynccontextmanager
async def home_in(api: support.Api, kube: Kube, server: WeaviateServer, **external: Any) -> AsyncIterator[Home]:
    """A new tenant in a store, with somebody who may use it."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.tenant_namespace(name)}}
    assert kube.create(namespace).is_success
    place = {
        "endpoint": f"https://127.0.0.1:{server.http_port}",
        "grpcEndpoint": f"https://127.0.0.1:{server.grpc_port}",
        "credentialsSecretRef": {"name": "store"},
    } | external
    kept = {key: value for key, value in place.items() if value is not None}
    tenant = support.tenant(name, str(uuid.uuid4()), vectorStore={"external": kept})
    api.services.cache.observe("Tenant", tenant)
    owner = await api.user(f"alice-{name}")
    await api.grant(owner, tenant, "developer")
    headers = await api.api_key(owner, tenant, permissions.VECTORS_READ, permissions.VECTORS_WRITE)
    yield Home(api, kube, server, tenant, headers)
    kube.delete(namespace)


@pytest.fixture
async def home(api: support.Api, kube: Kube, elsewhere: WeaviateServer) -> AsyncIterator[Home]:
    """A tenant whose store can be used."""
    async with home_in(api, kube, elsewhere) as made:
        made.grant()
        made.secret(elsewhere.key)
        yield made


async def fill(home: Home, name: str = "docs") -> None:
    """Make a collection with one object in it."""
    made = await home.call("POST", json={"name": name, "dimensions": 3})
    assert made.status_code == 201, made.text
    stored = await home.call("POST", f"/{name}/objects", json={"objects": [OBJECT]})
    assert stored.json()["stored"] == 1, stored.text


async def found(home: Home, name: str = "docs") -> list[str]:
    answer = await home.call("POST", f"/{name}/search", json={"vector": VECTOR, "filter": {"source": "web"}})
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["items"]]


async def test_collections_live_in_the_external_store_over_tls(home: Home) -> None:
    await fill(home)
    assert await found(home) == ["a"]
    assert (await home.call("GET", "/docs")).json()["objects"] == 1
    assert (await home.call("DELETE", "/docs")).status_code == 204
    assert (await home.call("GET")).json()["items"] == []


async def test_tenants_share_a_store_and_see_nothing_of_each_other(home: Home, elsewhere: WeaviateServer) -> None:
    async with home_in(home.api, home.kube, elsewhere) as other:
        other.grant()
        other.secret(elsewhere.next_key)
        await fill(home)
        await fill(home, "mine")
        assert (await other.call("GET")).json()["items"] == []
        assert (await other.call("GET", "/docs")).status_code == 404
        assert (await other.call("DELETE", "/docs")).status_code == 404
        await fill(other)
        assert (await other.call("DELETE", "/docs")).status_code == 204
        assert await found(home) == ["a"]


async def test_what_others_keep_in_the_store_is_no_collection_whatever_it_says(home: Home, identity: Identity) -> None:
    await fill(home)
    (described,) = [
        each["description"]
        for each in classes(home.server, identity)
        if each["class"] == physical.collection(home.tenant["metadata"]["uid"], "docs")
    ]
    forged = {"class": "Forged", "description": described.replace('"docs"', '"forged"'), "vectorizer": "none"}
    for made in (forged, {"class": "Plain", "vectorizer": "none"}):
        assert ask(home.server, identity, "POST", "/v1/schema", json=made).is_success
    assert [each["name"] for each in (await home.call("GET")).json()["items"]] == ["docs"]
    assert (await home.call("GET", "/forged")).status_code == 404
    assert (await home.call("POST", "/docs/objects", json={"objects": [OBJECT]})).json()["stored"] == 1
    for name in ("Forged", "Plain"):
        assert ask(home.server, identity, "DELETE", f"/v1/schema/{name}").is_success


def ask(server: WeaviateServer, identity: Identity, method: str, path: str, **more: Any) -> httpx.Response:
    """Ask the store itself, past Moorage."""
    address = f"https://127.0.0.1:{server.http_port}{path}"
    headers = {"Authorization": f"Bearer {server.key}"}
    return httpx.request(method, address, headers=headers, verify=identity.client(), **more)


def classes(server: WeaviateServer, identity: Identity) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = ask(server, identity, "GET", "/v1/schema").json()["classes"]
    return listed


async def test_a_missing_secret_is_named_and_taken_as_soon_as_it_is_there(home: Home) -> None:
    home.kube.delete(home.secret("x"))
    problem = await home.refusal()
    assert problem["code"] == "store-credentials"
    assert "no Secret store" in problem["detail"]
    home.secret(home.server.key)
    assert (await home.call("GET")).status_code == 200


async def test_a_secret_that_the_operator_has_not_granted_is_not_read(
    api: support.Api, kube: Kube, elsewhere: WeaviateServer
) -> None:
    async with home_in(api, kube, elsewhere) as made:
        made.secret(elsewhere.key)
        problem = await made.refusal()
        assert problem["code"] == "store-credentials"
        assert "may not be read yet" in problem["detail"]
        made.grant()
        assert (await made.call("GET")).status_code == 200


UNUSABLE: dict[str, tuple[Manifest, str]] = {
    "without its label": ({"metadata": {"labels": {labels.STORE_CREDENTIALS: None}}}, labels.STORE_CREDENTIALS),
    "for sources": (
        {"metadata": {"labels": {labels.STORE_CREDENTIALS: None, labels.SOURCE_CREDENTIALS: "true"}}},
        labels.STORE_CREDENTIALS,
    ),
    "for no host": ({"metadata": {"annotations": {labels.HOSTS: None}}}, labels.HOSTS),
    "for another host": ({"metadata": {"annotations": {labels.HOSTS: "weaviate.example"}}}, labels.HOSTS),
    "without a key": ({"data": {"apiKey": None, "token": "eA=="}}, "lacks apiKey"),
    "with a key of two lines": ({"data": {"apiKey": "YQpi"}}, "no line of plain characters"),
}


@pytest.mark.parametrize("case", UNUSABLE)
async def test_a_secret_that_cannot_be_used_is_sent_nowhere_and_a_corrected_one_is_taken(home: Home, case: str) -> None:
    change, words = UNUSABLE[case]
    made = home.secret(home.server.key)
    assert home.kube.merge(made, change).is_success
    problem = await home.refusal()
    assert problem["code"] == "store-credentials"
    assert words in problem["detail"]
    home.secret(home.server.key)
    assert (await home.call("GET")).status_code == 200


async def test_a_secret_for_the_http_host_alone_is_not_sent_to_the_grpc_host(home: Home) -> None:
    home.secret(home.server.key, hosts=f"127.0.0.1:{home.server.http_port}")
    assert f"is not for 127.0.0.1:{home.server.grpc_port}" in (await home.refusal())["detail"]


async def test_a_key_that_the_store_refuses_is_told_and_the_corrected_one_is_taken_at_once(home: Home) -> None:
    home.secret("wrong-key")
    problem = await home.refusal()
    assert (problem["code"], "wrong-key" in problem["detail"]) == ("store-credentials", False)
    assert "refuses the key in Secret store" in problem["detail"]
    home.secret(home.server.key)
    assert (await home.call("GET")).status_code == 200


async def test_a_changed_key_is_taken_without_a_restart(home: Home) -> None:
    await fill(home)
    home.secret("wrong-key")
    assert await found(home) == ["a"]
    home.api.clock.turn(seconds=KEPT_FOR.total_seconds())
    assert (await home.refusal())["code"] == "store-credentials"
    home.secret(home.server.next_key)
    assert await found(home) == ["a"]


async def test_a_store_that_moves_to_where_nobody_listens_is_unavailable_until_it_moves_back(home: Home) -> None:
    assert (await home.call("GET")).status_code == 200
    closed, grpc = free_ports(2)
    home.secret(home.server.key, hosts=f"{home.hosts}, 127.0.0.1:{closed}, 127.0.0.1:{grpc}")
    home.place(endpoint=f"https://127.0.0.1:{closed}", grpcEndpoint=f"https://127.0.0.1:{grpc}")
    assert (await home.refusal())["code"] == "unavailable"
    home.place(
        endpoint=f"https://127.0.0.1:{home.server.http_port}", grpcEndpoint=f"https://127.0.0.1:{home.server.grpc_port}"
    )
    assert (await home.call("GET")).status_code == 200


async def test_a_store_whose_authority_is_unknown_gets_no_request(home: Home, kube: Kube, tmp_path: Path) -> None:
    with weaviate.running(tmp_path / "stranger", "other-key", Identity.make(tmp_path)) as stranger:
        async with home_in(home.api, kube, stranger) as made:
            made.grant()
            made.secret(stranger.key)
            assert (await made.refusal())["code"] == "unavailable"


async def test_a_store_that_lets_everybody_in_needs_no_secret(
    api: support.Api, kube: Kube, identity: Identity, tmp_path: Path
) -> None:
    with weaviate.running(tmp_path / "open", identity=identity, is_open=True) as server:
        async with home_in(api, kube, server, credentialsSecretRef=None) as made:
            await fill(made)
            assert await found(made) == ["a"]


async def test_a_store_that_wants_a_key_and_gets_none_says_so(
    api: support.Api, kube: Kube, elsewhere: WeaviateServer
) -> None:
    async with home_in(api, kube, elsewhere, credentialsSecretRef=None) as made:
        problem = await made.refusal()
        assert problem["code"] == "store-credentials"
        assert "names no Secret" in problem["detail"]


async def test_a_suspended_tenant_is_not_served_from_its_external_store_either(home: Home) -> None:
    home.tenant["spec"]["suspend"] = True
    home.place()
    assert (await home.refusal())["code"] == "tenant-suspended"


async def test_no_key_is_logged(home: Home) -> None:
    written = io.StringIO()
    handler = logs.configure("DEBUG", written)
    try:
        home.secret("wrong-secret-key")
        await home.refusal()
        home.secret(home.server.key)
        await fill(home)
    finally:
        logging.getLogger().removeHandler(handler)
    assert "wrong-secret-key" not in written.getvalue()
    assert home.server.key not in written.getvalue()
