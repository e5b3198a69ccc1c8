"""Login, logout and password change, through HTTP and SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from moorage_api.auth import passwords
from tests.support.api import PASSWORD, Api, bearer

if TYPE_CHECKING:
    import httpx

NEW = "another correct horse"


async def login(api: Api, name: str = "alice", password: str = PASSWORD) -> httpx.Response:
    return await api.client.post("/api/v1/auth/login", json={"name": name, "password": password})


async def signed_in(api: Api, name: str = "alice", password: str = PASSWORD) -> dict[str, str]:
    return bearer((await login(api, name, password)).json()["access_token"])


async def status_of_me(api: Api, headers: dict[str, str]) -> int:
    return (await api.client.get("/api/v1/me", headers=headers)).status_code


async def test_a_name_and_its_password_give_a_token_that_works(api: Api) -> None:
    await api.user_with_password("alice")

    answer = await login(api)

    assert answer.status_code == 200
    assert answer.json()["token_type"] == "Bearer"
    assert answer.json()["expires_in"] == 600
    assert answer.headers["cache-control"] == "no-store"
    assert await status_of_me(api, bearer(answer.json()["access_token"])) == 200


async def test_wrong_password_unknown_and_disabled_user_read_the_same(api: Api) -> None:
    await api.user_with_password("admin", "admin")
    await api.user_with_password("alice")
    await api.user_with_password("gone")
    await api.user("program")
    admin = await signed_in(api, "admin")
    assert (await api.client.delete("/api/v1/users/gone", headers=admin)).status_code == 204

    answers = [
        await login(api, "alice", "wrong"),
        await login(api, "nobody"),
        await login(api, "gone"),
        await login(api, "program"),
    ]

    assert {answer.status_code for answer in answers} == {401}
    bodies = [{**answer.json(), "request_id": ""} for answer in answers]
    assert all(body == bodies[0] for body in bodies)


async def test_the_sixth_attempt_in_a_minute_waits(api: Api) -> None:
    for _ in range(5):
        assert (await login(api, "nobody")).status_code == 401

    refused = await login(api, "nobody")
    assert refused.status_code == 429
    assert refused.json()["code"] == "rate-limited"
    wait = int(refused.headers["retry-after"])
    assert 1 <= wait <= 60

    assert (await login(api, "somebody-else")).status_code == 401
    api.clock.turn(seconds=wait)
    assert (await login(api, "nobody")).status_code == 401


async def test_a_token_ends_with_its_time(api: Api) -> None:
    await api.user_with_password("alice")
    headers = await signed_in(api)
    api.clock.turn(minutes=10)

    assert await status_of_me(api, headers) == 401


async def test_logout_ends_this_session_at_once_and_no_other(api: Api) -> None:
    await api.user_with_password("alice")
    first, second = await signed_in(api), await signed_in(api)
    assert await status_of_me(api, first) == 200

    assert (await api.client.post("/api/v1/auth/logout", headers=first)).status_code == 204

    assert await status_of_me(api, first) == 401
    assert await status_of_me(api, second) == 200


async def change(api: Api, headers: dict[str, str], current: str = PASSWORD, new: str = NEW) -> httpx.Response:
    return await api.client.post("/api/v1/auth/password", headers=headers, json={"current": current, "new": new})


async def test_a_new_password_ends_every_other_session_at_once(api: Api) -> None:
    await api.user_with_password("alice")
    own, other = await signed_in(api), await signed_in(api)
    assert await status_of_me(api, other) == 200

    assert (await change(api, own)).status_code == 204

    assert await status_of_me(api, own) == 200
    assert await status_of_me(api, other) == 401
    assert (await login(api)).status_code == 401
    assert (await login(api, password=NEW)).status_code == 200


async def test_the_present_password_must_be_given(api: Api) -> None:
    await api.user_with_password("alice")
    headers = await signed_in(api)

    assert (await change(api, headers, current="wrong")).status_code == 403
    assert (await login(api)).status_code == 200


@pytest.mark.parametrize("new", ["short", "x" * (passwords.MAX_LENGTH + 1), "Alice in wonderland"])
async def test_a_weak_password_is_refused(api: Api, new: str) -> None:
    await api.user_with_password("alice")

    assert (await change(api, await signed_in(api), new=new)).status_code == 422


async def test_guessing_the_present_password_is_limited(api: Api) -> None:
    headers = await api.signed_in(await api.user_with_password("alice"))
    answers = [(await change(api, headers, current="wrong")).status_code for _ in range(6)]

    assert answers == [403] * 5 + [429]


async def test_a_password_in_a_refused_request_is_not_repeated(api: Api) -> None:
    body: dict[str, Any] = {"name": "alice", "password": {"oops": "hunter2-hunter2"}, "more": "hunter2-hunter2"}
    answer = await api.client.post("/api/v1/auth/login", json=body)

    assert answer.status_code == 422
    assert "hunter2" not in answer.text
