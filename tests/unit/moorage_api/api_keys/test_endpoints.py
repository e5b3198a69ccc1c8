"""API keys through HTTP and SQL, in a tenant that the cache was told of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from moorage_crds import permissions
from tests.support.api import Api, Manifest, bearer, tenant

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

KEYS = "/api/v1/tenants/acme/api-keys"
ACME = tenant(members=[{"kind": "User", "name": "alice", "role": "developer"}])


@pytest.fixture(autouse=True)
def acme(api: Api) -> Manifest:
    api.services.cache.observe("Tenant", ACME)
    return ACME


async def create(api: Api, headers: dict[str, str], *scopes: str, expires_in: int = 3600) -> httpx.Response:
    body = {"name": "ci", "scopes": list(scopes), "expires_in": expires_in}
    return await api.client.post(KEYS, headers=headers, json=body)


async def models(api: Api, headers: dict[str, str]) -> int:
    return (await api.client.get("/api/v1/tenants/acme/models", headers=headers)).status_code


async def test_a_key_is_shown_once_and_works(api: Api) -> None:
    alice = await api.signed_in(await api.user("alice"))

    created = await create(api, alice, permissions.MODELS_READ)

    assert created.status_code == 201
    key = created.json()["key"]
    listed = await api.client.get(KEYS, headers=alice)
    assert [each["prefix"] for each in listed.json()["items"]] == [created.json()["prefix"]]
    assert key not in listed.text
    assert await models(api, bearer(key)) == 200


async def test_a_key_is_limited_to_its_scopes(api: Api) -> None:
    alice = await api.user("alice")
    key = await api.api_key(alice, ACME, permissions.VECTORS_READ)

    assert await models(api, key) == 403


async def test_a_key_cannot_have_more_power_than_its_owner(api: Api) -> None:
    alice = await api.signed_in(await api.user("alice"))

    refused = await create(api, alice, permissions.MODELS_READ, permissions.TENANTS_WRITE)

    assert refused.status_code == 403
    assert permissions.TENANTS_WRITE in refused.json()["detail"]


async def test_a_key_loses_what_its_owner_loses(api: Api) -> None:
    alice = await api.user("alice")
    key = await api.api_key(alice, ACME, permissions.MODELS_READ, permissions.KEYS_READ)
    assert (await api.client.get(KEYS, headers=key)).status_code == 200

    demoted = tenant(members=[{"kind": "User", "name": "alice", "role": "viewer"}])
    api.services.cache.observe("Tenant", demoted)

    assert await models(api, key) == 200
    assert (await api.client.get(KEYS, headers=key)).status_code == 403


async def test_a_key_cannot_make_keys(api: Api) -> None:
    key = await api.api_key(await api.user("alice"), ACME, permissions.KEYS_WRITE)

    assert (await create(api, key, permissions.KEYS_WRITE)).status_code == 403


async def test_a_key_cannot_act_on_the_account(api: Api) -> None:
    key = await api.api_key(await api.user("alice"), ACME, *permissions.TENANT_ROLES["admin"])

    assert (await api.client.post("/api/v1/auth/logout", headers=key)).status_code == 403
    body = {"current": "x", "new": "a long new password"}
    assert (await api.client.post("/api/v1/auth/password", headers=key, json=body)).status_code == 403


async def test_a_revoked_key_is_useless_at_once(api: Api) -> None:
    alice = await api.signed_in(await api.user("alice"))
    created = (await create(api, alice, permissions.MODELS_READ)).json()
    assert await models(api, bearer(created["key"])) == 200

    assert (await api.client.delete(f"{KEYS}/{created['prefix']}", headers=alice)).status_code == 204

    assert await models(api, bearer(created["key"])) == 401
    assert (await api.client.delete(f"{KEYS}/{created['prefix']}", headers=alice)).status_code == 404
    assert (await api.client.get(KEYS, headers=alice)).json()["items"] == []


async def test_an_expired_key_is_useless(api: Api) -> None:
    alice = await api.signed_in(await api.user("alice"))
    key = bearer((await create(api, alice, permissions.MODELS_READ, expires_in=60)).json()["key"])
    assert await models(api, key) == 200
    api.clock.turn(seconds=60)

    assert await models(api, key) == 401


async def test_a_key_of_a_disabled_owner_is_useless_at_once(api: Api) -> None:
    admin = await api.signed_in(await api.user("root", "admin"))
    key = await api.api_key(await api.user("alice"), ACME, permissions.MODELS_READ)
    assert await models(api, key) == 200

    assert (await api.client.delete("/api/v1/users/alice", headers=admin)).status_code == 204

    assert await models(api, key) == 401


async def test_a_developer_cannot_revoke_the_key_of_somebody_else(api: Api) -> None:
    bob = await api.user("bob")
    await api.grant(bob, ACME, "admin")
    created = (await create(api, await api.signed_in(bob), permissions.MODELS_READ)).json()
    alice = await api.signed_in(await api.user("alice"))

    assert (await api.client.delete(f"{KEYS}/{created['prefix']}", headers=alice)).status_code == 403


async def test_an_admin_of_the_tenant_can_revoke_the_key_of_somebody_else(api: Api) -> None:
    created = (await create(api, await api.signed_in(await api.user("alice")), permissions.MODELS_READ)).json()
    bob = await api.user("bob")
    await api.grant(bob, ACME, "admin")

    answer = await api.client.delete(f"{KEYS}/{created['prefix']}", headers=await api.signed_in(bob))
    assert answer.status_code == 204


async def test_a_key_of_a_tenant_is_not_found_in_another(api: Api) -> None:
    member = [{"kind": "User", "name": "alice", "role": "admin"}]
    api.services.cache.observe("Tenant", tenant("other", "uid-other", members=member))
    alice = await api.signed_in(await api.user("alice"))
    prefix = (await create(api, alice, permissions.MODELS_READ)).json()["prefix"]

    answer = await api.client.delete(f"/api/v1/tenants/other/api-keys/{prefix}", headers=alice)
    assert answer.status_code == 404


async def test_keys_come_in_pages(api: Api) -> None:
    alice = await api.user("alice")
    for _ in range(5):
        await api.api_key(alice, ACME, permissions.MODELS_READ)
    headers, found, cursor = await api.signed_in(alice), [], ""
    while cursor is not None:
        page = (await api.client.get(KEYS, headers=headers, params={"limit": 2, "cursor": cursor})).json()
        found.append([each["prefix"] for each in page["items"]])
        cursor = page["next_cursor"]

    assert [len(page) for page in found] == [2, 2, 1]
    assert len({prefix for page in found for prefix in page}) == 5


def contents(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in folder.glob("moorage.db*")]


async def test_the_database_holds_no_key(api: Api, tmp_path: Path) -> None:
    alice = await api.signed_in(await api.user("alice"))
    key = (await create(api, alice, permissions.MODELS_READ)).json()["key"]
    secret = key.rpartition("_")[2].encode()

    files = contents(tmp_path)
    assert files
    assert not any(secret in content for content in files)
