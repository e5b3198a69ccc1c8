"""Who gets in: foreign tenants, missing credentials, keys, and what happens when the cluster is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moorage_crds import permissions

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.api import Api
    from tests.support.kube import Kube

Headers = dict[str, str]


async def test_a_foreign_tenant_and_an_unknown_one_answer_the_same(
    api: Api, name: str, tenant_of_kubectl: Callable[..., Any]
) -> None:
    await tenant_of_kubectl(name)
    alice = await api.signed_in(await api.user("alice"))
    answers = [(await api.client.get(f"/api/v1/tenants/{each}/models", headers=alice)) for each in (name, f"{name}-no")]

    assert [answer.status_code for answer in answers] == [404, 404]
    texts = [
        answer.text.replace(each, "").replace(answer.json()["request_id"], "")
        for answer, each in zip(answers, (name, f"{name}-no"), strict=True)
    ]
    assert texts[0] == texts[1]


async def test_a_tenant_named_by_a_header_changes_nothing(
    api: Api, name: str, tenant_of_kubectl: Callable[..., Any]
) -> None:
    alice = await api.user("alice")
    await tenant_of_kubectl(name, members=[{"kind": "User", "name": "alice", "role": "admin"}])
    await tenant_of_kubectl(f"{name}-other")
    headers = await api.signed_in(alice) | {"Moorage-Tenant": name, "X-Tenant": name}

    answer = await api.client.get(f"/api/v1/tenants/{name}-other/models", headers=headers)
    assert answer.status_code == 404


async def test_a_member_removed_by_kubectl_is_out_once_the_watch_says_so(
    api: Api, kube: Kube, name: str, tenant_of_kubectl: Callable[..., Any]
) -> None:
    await tenant_of_kubectl(name, members=[{"kind": "User", "name": "alice", "role": "admin"}])
    alice = await api.signed_in(await api.user("alice"))
    assert (await api.client.get(f"/api/v1/tenants/{name}", headers=alice)).status_code == 200

    await tenant_of_kubectl(name)
    manifest = {"apiVersion": "moorage.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": name}}
    assert kube.get(manifest).json()["spec"]["members"] == []
    await _until_status(api, f"/api/v1/tenants/{name}", alice, 404)


async def _until_status(api: Api, path: str, headers: Headers, status: int) -> None:
    for _ in range(200):
        if (await api.client.get(path, headers=headers)).status_code == status:
            return
    raise AssertionError(f"{path} did not become {status}")


async def test_a_key_of_a_tenant_does_not_open_the_next_one_of_its_name(api: Api, admin: Headers, name: str) -> None:
    await api.client.post("/api/v1/tenants", headers=admin, json={"name": name})
    body = {"name": "ci", "scopes": [permissions.TENANTS_READ]}
    made = await api.client.post(f"/api/v1/tenants/{name}/api-keys", headers=admin, json=body)
    key = {"Authorization": f"Bearer {made.json()['key']}"}
    assert (await api.client.get(f"/api/v1/tenants/{name}", headers=key)).status_code == 200

    await api.client.delete(f"/api/v1/tenants/{name}", headers=admin)
    await api.client.post("/api/v1/tenants", headers=admin, json={"name": name})

    assert (await api.client.get(f"/api/v1/tenants/{name}", headers=key)).status_code == 404
    listed = await api.client.get(f"/api/v1/tenants/{name}/api-keys", headers=admin)
    assert listed.json()["items"] == []


async def test_ready_once_the_cluster_is_listed(api: Api) -> None:
    assert (await api.client.get("/readyz")).status_code == 200
