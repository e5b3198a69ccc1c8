"""The life of a tenant on real parts: asleep and awake, gone and taken up again, protected, with new keys.

Each test has a tenant of its own with one model that doubles its input, and a vector store only if it is about that.
"""

from __future__ import annotations

import base64
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from mainjob.kubectl import CommandError
from tests.e2e.conftest import Moorage, eventually
from tests.support.e2e import infer_body, model, tenant

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx


@contextmanager
def serving(moorage: Moorage, name: str, **spec: Any) -> Iterator[str]:
    """Run a tenant whose model answers; yields its namespace."""
    namespace = f"tenant-{name}"
    moorage.apply(tenant(name, **spec))
    moorage.kubectl.run("wait", f"tenant/{name}", "--for=condition=IsolationReady", "--timeout=60s")
    moorage.apply(model(name, "double"))
    scope = ["--namespace", namespace, "--for=condition=Ready", "--timeout=120s"]
    moorage.kubectl.run("wait", "modeldeployment/double", *scope)
    try:
        yield namespace
    finally:
        moorage.kubectl.run("delete", "tenant", name, "--ignore-not-found", "--timeout=120s")
        moorage.kubectl.run("delete", "namespace", namespace, "--ignore-not-found", "--timeout=120s")


def infer(client: httpx.Client, name: str) -> httpx.Response:
    return client.post(f"/tenants/{name}/v2/models/double/infer", json=infer_body(1, 2, 3, 4))


def answers(client: httpx.Client, name: str) -> bool:
    answer = infer(client, name)
    return answer.status_code == 200 and answer.json()["outputs"][0]["data"] == [2, 4, 6, 8]


def change(moorage: Moorage, name: str, spec: str) -> None:
    """Merge JSON into a Tenant's spec."""
    moorage.kubectl.run("patch", "tenant", name, "--type=merge", f'--patch={{"spec":{spec}}}')


def condition(moorage: Moorage, name: str, kind: str = "Ready") -> tuple[str, str]:
    found: list[dict[str, Any]] = moorage.kubectl.get("tenant", name)["status"]["conditions"]
    return next((one["status"], one["reason"]) for one in found if one["type"] == kind)


def pods(moorage: Moorage, namespace: str) -> list[str]:
    return [one["metadata"]["name"] for one in moorage.kubectl.get("pods", "--namespace", namespace)["items"]]


def test_a_suspended_tenant_runs_nothing_and_comes_back_as_it_was(moorage: Moorage, admin: httpx.Client) -> None:
    with serving(moorage, "sleepy") as namespace:
        change(moorage, "sleepy", '{"suspend":true}')
        eventually("it says so", lambda: infer(admin, "sleepy").json().get("code") == "tenant-suspended")
        assert infer(admin, "sleepy").status_code == 503
        eventually("no pod is left", lambda: pods(moorage, namespace) == [], patience=90)
        eventually("it is at rest", lambda: condition(moorage, "sleepy") == ("True", "Suspended"))
        change(moorage, "sleepy", '{"suspend":false}')
        eventually("it answers again", lambda: answers(admin, "sleepy"), patience=120)


def test_a_retained_tenant_comes_back_with_its_models_only_for_who_names_its_id(
    moorage: Moorage, admin: httpx.Client
) -> None:
    with serving(moorage, "kept") as namespace:
        change(moorage, "kept", '{"deletionPolicy":"Retain"}')
        known = moorage.kubectl.get("tenant", "kept")["status"]["tenantID"]
        revision = infer(admin, "kept").headers["Moorage-Model-Revision"]
        moorage.kubectl.run("delete", "tenant", "kept", "--timeout=120s")
        assert pods(moorage, namespace) == []
        waiting = ["--namespace", namespace, "--for=jsonpath={.status.conditions[0].reason}=TenantNotFound"]
        moorage.kubectl.run("wait", "modeldeployment/double", *waiting, "--timeout=30s")
        moorage.apply(tenant("kept"))
        moorage.kubectl.run("wait", "tenant/kept", "--for=condition=Stalled", "--timeout=30s")
        assert condition(moorage, "kept") == ("False", "NamespaceForeign")
        moorage.kubectl.run("annotate", "tenant", "kept", f"moorage.dev/adopt={known}")
        eventually("the model answers again", lambda: answers(admin, "kept"), patience=120)
        assert moorage.kubectl.get("tenant", "kept")["status"]["tenantID"] == known
        assert infer(admin, "kept").headers["Moorage-Model-Revision"] == revision


def test_what_is_protected_is_deleted_by_nobody(moorage: Moorage, admin: httpx.Client) -> None:
    with serving(moorage, "guarded") as namespace:
        change(moorage, "guarded", '{"deletionProtection":true}')
        mark = "jsonpath={.metadata.annotations.moorage\\.dev/deletion-protection}"
        scope = ["namespace", namespace, "--output", mark]
        eventually("the namespace is marked", lambda: moorage.kubectl.run("get", *scope) == "true")
        try:
            for target in (["tenant", "guarded"], ["namespace", namespace], ["crd", "tenants.moorage.dev"]):
                with pytest.raises(CommandError, match="denied request"):
                    moorage.kubectl.run("delete", *target, "--dry-run=server")
            refused = admin.delete("/tenants/guarded")
            assert (refused.status_code, refused.json()["code"]) == (409, "deletion-protected")
            assert answers(admin, "guarded")
        finally:
            change(moorage, "guarded", '{"deletionProtection":false}')


def secret(moorage: Moorage, namespace: str) -> dict[str, str]:
    data = moorage.kubectl.get("secret", "moorage-credentials", "--namespace", namespace)["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def asked_directly(moorage: Moorage, namespace: str, key: str) -> int:
    """Return the status with which the tenant's Triton answers a call with a key, from inside its own pod."""
    [pod] = pods(moorage, namespace)
    code = (
        "import sys, urllib.error, urllib.request\n"
        "call = urllib.request.Request('http://127.0.0.1:8000/v2', headers={'moorage-inference-key': sys.argv[1]})\n"
        "try: print(urllib.request.urlopen(call).status)\n"
        "except urllib.error.HTTPError as error: print(error.code)\n"
    )
    inside = ["exec", pod, "--namespace", namespace, "--container", "triton", "--"]
    return int(moorage.kubectl.run(*inside, "python3", "-c", code, key))


def test_rotated_keys_cost_no_request_and_the_old_ones_open_nothing(moorage: Moorage, admin: httpx.Client) -> None:
    with serving(moorage, "rotating") as namespace:
        before = secret(moorage, namespace)
        assert asked_directly(moorage, namespace, before["triton-inference-key"]) == 200
        assert admin.post("/tenants/rotating/rotate-credentials").status_code == 202
        failed = []

        def is_over() -> bool:
            answer = infer(admin, "rotating")
            if answer.status_code != 200:
                failed.append(answer.text)
            held = secret(moorage, namespace)
            return held != before and held.keys() == before.keys()

        eventually("the rotation is over", is_over, patience=180)
        eventually("one pod is left", lambda: len(pods(moorage, namespace)) == 1, patience=90)
        assert failed == []
        after = secret(moorage, namespace)
        assert {key for key in after if after[key] == before[key]} == {"weaviate-root-key"}
        assert asked_directly(moorage, namespace, after["triton-inference-key"]) == 200
        assert asked_directly(moorage, namespace, before["triton-inference-key"]) == 403
        assert answers(admin, "rotating")


STORE = {"backend": "Weaviate", "storage": {"size": "64Mi"}}
OBJECT = {"id": "a", "text": "kept", "vector": [1.0, 0.0, 0.0]}


def found_after_a_write(client: httpx.Client, name: str) -> httpx.Response:
    """Write an object and search for it; returns the first answer that is an error, or the search's."""
    base = f"/tenants/{name}/collections/kept"
    written = client.post(f"{base}/objects", json={"objects": [OBJECT]})
    return written if written.is_error else client.post(f"{base}/search", json={"vector": OBJECT["vector"]})


def store_pods(moorage: Moorage, namespace: str) -> dict[str, int]:
    """Return the UIDs of the vector store's pods, and how often their containers were restarted."""
    chosen = ["--namespace", namespace, "--selector", "moorage.dev/component=weaviate"]
    items = moorage.kubectl.get("pods", *chosen)["items"]
    return {one["metadata"]["uid"]: one["status"]["containerStatuses"][0]["restartCount"] for one in items}


def asked_of_the_store(moorage: Moorage, namespace: str, key: str) -> int:
    """Return the status with which the tenant's Weaviate answers a call with a key, from the API's pod."""
    code = (
        "import sys, urllib.error, urllib.request\n"
        "call = urllib.request.Request(sys.argv[1], headers={'Authorization': 'Bearer ' + sys.argv[2]})\n"
        "try: print(urllib.request.urlopen(call).status)\n"
        "except urllib.error.HTTPError as error: print(error.code)\n"
    )
    address = f"http://weaviate.{namespace}.svc:8080/v1/schema"
    inside = ["exec", "deployment/moorage-api", "--namespace", "moorage-system", "--"]
    return int(moorage.kubectl.run(*inside, "python", "-c", code, address, key))


def test_a_rotation_restarts_no_vector_store_and_costs_it_no_request(moorage: Moorage, admin: httpx.Client) -> None:
    with serving(moorage, "stored", vectorStore=STORE) as namespace:
        moorage.kubectl.run("wait", "tenant/stored", "--for=condition=VectorStoreReady", "--timeout=120s")
        made = admin.post("/tenants/stored/collections", json={"name": "kept", "dimensions": 3})
        assert made.status_code == 201, made.text
        before, running = secret(moorage, namespace), store_pods(moorage, namespace)
        assert asked_of_the_store(moorage, namespace, before["weaviate-api-key"]) == 200
        assert admin.post("/tenants/stored/rotate-credentials").status_code == 202
        failed = []

        def is_over() -> bool:
            answer = found_after_a_write(admin, "stored")
            if answer.is_error or [one["id"] for one in answer.json()["items"]] != ["a"]:
                failed.append(answer.text)
            held = secret(moorage, namespace)
            return held["weaviate-api-key"] != before["weaviate-api-key"] and held.keys() == before.keys()

        eventually("the rotation is over", is_over, patience=240)
        assert failed == []
        assert store_pods(moorage, namespace) == running
        after = secret(moorage, namespace)
        assert after["weaviate-root-key"] == before["weaviate-root-key"]
        assert asked_of_the_store(moorage, namespace, after["weaviate-api-key"]) == 200
        assert asked_of_the_store(moorage, namespace, before["weaviate-api-key"]) == 401
        assert found_after_a_write(admin, "stored").status_code == 200


def test_a_deleted_secret_comes_back_with_pods_that_hold_it(moorage: Moorage, admin: httpx.Client) -> None:
    with serving(moorage, "bereft") as namespace:
        before = secret(moorage, namespace)
        moorage.kubectl.run("delete", "secret", "moorage-credentials", "--namespace", namespace)
        eventually("a new one is made", lambda: secret(moorage, namespace) != before)
        eventually("the model answers again", lambda: answers(admin, "bereft"), patience=180)
