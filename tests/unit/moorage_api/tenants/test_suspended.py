"""A suspended tenant answers nothing that needs a pod, with a code of its own, and can still be administered."""

from __future__ import annotations

import pytest

from tests.support.api import Api, Manifest, tenant

BASE = "/api/v1/tenants/acme"
MEMBERS = [{"kind": "User", "name": "alice", "role": "developer"}]
SEARCH = {"vector": [0.5], "top_k": 1}


def acme(*, suspend: bool) -> Manifest:
    return tenant(members=MEMBERS, suspend=suspend)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "v2/models/digits/infer", {"inputs": []}),
        ("GET", "v2/models/digits", None),
        ("GET", "v2/health/ready", None),
        ("GET", "collections", None),
        ("POST", "collections/notes/search", SEARCH),
    ],
)
async def test_what_needs_a_pod_is_refused(api: Api, method: str, path: str, body: Manifest | None) -> None:
    alice = await api.signed_in(await api.user("alice"))
    api.services.cache.observe("Tenant", acme(suspend=True))

    answer = await api.client.request(method, f"{BASE}/{path}", headers=alice, json=body)

    assert (answer.status_code, answer.json()["code"]) == (503, "tenant-suspended")
    assert "Retry-After" not in answer.headers


async def test_what_needs_none_is_answered(api: Api) -> None:
    alice = await api.signed_in(await api.user("alice"))
    api.services.cache.observe("Tenant", acme(suspend=True))

    for path in ("", "/models", "/api-keys"):
        assert (await api.client.get(BASE + path, headers=alice)).status_code == 200


async def test_a_stranger_learns_nothing_of_it(api: Api) -> None:
    mallory = await api.signed_in(await api.user("mallory"))
    api.services.cache.observe("Tenant", acme(suspend=True))

    answer = await api.client.get(f"{BASE}/v2/health/ready", headers=mallory)

    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


async def test_a_resumed_tenant_is_asked_again(api: Api) -> None:
    alice = await api.signed_in(await api.user("alice"))
    api.services.cache.observe("Tenant", acme(suspend=False))

    answer = await api.client.get(f"{BASE}/v2/health/ready", headers=alice)

    assert answer.json()["code"] != "tenant-suspended"
