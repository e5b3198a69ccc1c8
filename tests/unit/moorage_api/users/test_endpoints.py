"""People, through HTTP and SQL."""

from __future__ import annotations

import pytest

from moorage_api.users import repository
from moorage_crds import permissions
from tests.support.api import PASSWORD, Api, bearer, tenant


async def admin(api: Api) -> dict[str, str]:
    return await api.signed_in(await api.user("root", "admin"))


async def test_me_tells_roles_and_permissions_in_own_tenants(api: Api) -> None:
    api.services.cache.observe("Tenant", tenant(members=[{"kind": "User", "name": "alice", "role": "viewer"}]))
    api.services.cache.observe("Tenant", tenant("other", "uid-other"))

    answer = (await api.client.get("/api/v1/me", headers=await api.signed_in(await api.user("alice")))).json()

    assert answer["name"] == "alice"
    assert answer["platform_role"] == "user"
    assert answer["permissions"] == [permissions.SELF]
    assert answer["tenants"] == [
        {"name": "acme", "role": "viewer", "permissions": sorted(permissions.TENANT_ROLES["viewer"])}
    ]


async def test_me_of_an_api_key_tells_its_tenant_and_scopes(api: Api) -> None:
    acme = tenant()
    api.services.cache.observe("Tenant", acme)
    key = await api.api_key(await api.user("root", "admin"), acme, permissions.MODELS_READ)

    answer = (await api.client.get("/api/v1/me", headers=key)).json()

    assert answer["permissions"] == [permissions.SELF]
    assert answer["tenants"] == [{"name": "acme", "role": None, "permissions": [permissions.MODELS_READ]}]


async def test_a_new_user_logs_in_with_the_password_shown_once(api: Api) -> None:
    headers = await admin(api)
    created = await api.client.post("/api/v1/users", headers=headers, json={"name": "alice"})

    assert created.status_code == 201
    body = {"name": "alice", "password": created.json()["initial_password"]}
    token = (await api.client.post("/api/v1/auth/login", json=body)).json()["access_token"]
    assert (await api.client.get("/api/v1/me", headers=bearer(token))).json()["password_change_required"]
    assert "initial_password" not in (await api.client.get("/api/v1/users/alice", headers=headers)).json()


@pytest.mark.parametrize("name", ["Alice", "system:admin", "system:serviceaccount:x:y", "a b", "", "-a", "x" * 64])
async def test_a_name_that_breaks_the_rule_is_refused(api: Api, name: str) -> None:
    answer = await api.client.post("/api/v1/users", headers=await admin(api), json={"name": name})

    assert answer.status_code == 422


async def test_a_name_is_never_given_twice(api: Api) -> None:
    headers = await admin(api)
    await api.client.post("/api/v1/users", headers=headers, json={"name": "alice"})
    await api.client.delete("/api/v1/users/alice", headers=headers)

    again = await api.client.post("/api/v1/users", headers=headers, json={"name": "alice"})
    assert again.status_code == 409
    assert (await api.client.get("/api/v1/users/alice", headers=headers)).json()["disabled"]


async def test_a_role_cannot_be_slipped_in_beside_the_fields(api: Api) -> None:
    body = {"name": "alice", "epoch": 7, "password_hash": "x"}

    assert (await api.client.post("/api/v1/users", headers=await admin(api), json=body)).status_code == 422


async def test_a_disabled_user_is_out_at_once(api: Api) -> None:
    await api.user_with_password("alice")
    body = {"name": "alice", "password": PASSWORD}
    alice = bearer((await api.client.post("/api/v1/auth/login", json=body)).json()["access_token"])
    assert (await api.client.get("/api/v1/me", headers=alice)).status_code == 200

    assert (await api.client.delete("/api/v1/users/alice", headers=await admin(api))).status_code == 204

    assert (await api.client.get("/api/v1/me", headers=alice)).status_code == 401


async def test_disabling_twice_changes_nothing(api: Api) -> None:
    headers = await admin(api)
    await api.user("alice")
    for _ in range(2):
        assert (await api.client.delete("/api/v1/users/alice", headers=headers)).status_code == 204
    async with api.services.database.read() as sql:
        alice = await repository.find(sql, "User", "alice")
    assert alice is not None
    assert alice.epoch == 1


async def test_the_last_admin_stays(api: Api) -> None:
    headers = await admin(api)

    assert (await api.client.delete("/api/v1/users/root", headers=headers)).status_code == 409
    await api.user("other", "admin")
    assert (await api.client.delete("/api/v1/users/root", headers=headers)).status_code == 204


async def test_an_unknown_user_is_not_found(api: Api) -> None:
    headers = await admin(api)

    assert (await api.client.get("/api/v1/users/nobody", headers=headers)).status_code == 404
    assert (await api.client.delete("/api/v1/users/nobody", headers=headers)).status_code == 404
