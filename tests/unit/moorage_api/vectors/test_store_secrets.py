"""How often the API server is asked for a store's key, and what holds while it does not answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from moorage_api.vectors.backends.weaviate.pool import Address
from moorage_api.vectors.errors import StoreCredentialsError
from moorage_api.vectors.store_secrets import KEPT_FOR, StoreSecrets
from moorage_crds.errors import UnavailableError
from tests.support.api import TurnedClock
from tests.support.api_server import answering
from tests.support.loops import closed_connections  # noqa: F401 # a fixture works by being known here
from tests.unit.moorage_api.vectors.test_external import HOST, secret

HERE = Address(HOST, 443, 443, is_secure=True)
WHO = ("uid-acme", "tenant-acme", "store")
SECONDS = KEPT_FOR.total_seconds()


class ApiServer:
    """Answers GETs of one Secret as an API server does."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status = 200
        self.secret = secret()

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        body: dict[str, Any] = self.secret if self.status == 200 else {"kind": "Status", "code": self.status}
        return web.json_response(body, status=self.status)


@pytest.fixture
def server() -> ApiServer:
    return ApiServer()


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
async def secrets(server: ApiServer, clock: TurnedClock, tmp_path: Path) -> AsyncIterator[StoreSecrets]:
    async with answering(server.answer, tmp_path) as api:
        yield StoreSecrets(api, clock)


async def test_a_key_is_asked_for_by_name_and_kept_for_some_seconds(
    server: ApiServer, clock: TurnedClock, secrets: StoreSecrets
) -> None:
    for _ in range(3):
        assert await secrets.key(*WHO, HERE) == "the-key"
    assert server.asked == ["/api/v1/namespaces/tenant-acme/secrets/store"]
    server.secret = secret(b"the-next-key")
    clock.turn(seconds=SECONDS)
    assert await secrets.key(*WHO, HERE) == "the-next-key"
    assert len(server.asked) == 2


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_the_last_key_is_used_while_the_api_server_does_not_answer(
    server: ApiServer, clock: TurnedClock, secrets: StoreSecrets, status: int
) -> None:
    await secrets.key(*WHO, HERE)
    clock.turn(seconds=SECONDS * 100)
    server.status = status
    assert await secrets.key(*WHO, HERE) == "the-key"


async def test_without_a_last_key_nobody_can_tell(server: ApiServer, secrets: StoreSecrets) -> None:
    server.status = 500
    with pytest.raises(UnavailableError) as caught:
        await secrets.key(*WHO, HERE)
    assert caught.value.code == "unavailable"
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_a_secret_that_is_gone_takes_the_key_with_it(
    server: ApiServer, clock: TurnedClock, secrets: StoreSecrets, status: int
) -> None:
    await secrets.key(*WHO, HERE)
    clock.turn(seconds=SECONDS)
    server.status = status
    with pytest.raises(StoreCredentialsError):
        await secrets.key(*WHO, HERE)
    server.status = 500
    with pytest.raises(UnavailableError):
        await secrets.key(*WHO, HERE)


async def test_a_secret_that_cannot_be_used_is_asked_for_each_time(server: ApiServer, secrets: StoreSecrets) -> None:
    server.secret = secret(hosts="other.example")
    for _ in range(2):
        with pytest.raises(StoreCredentialsError):
            await secrets.key(*WHO, HERE)
    server.secret = secret()
    assert await secrets.key(*WHO, HERE) == "the-key"


async def test_another_name_or_another_address_is_asked_for_anew(server: ApiServer, secrets: StoreSecrets) -> None:
    await secrets.key(*WHO, HERE)
    await secrets.key("uid-acme", "tenant-acme", "another", HERE)
    server.secret = secret(hosts="moved.example")
    await secrets.key(*WHO, Address("moved.example", 443, 443, is_secure=True))
    assert len(server.asked) == 3


async def test_a_tenant_that_is_made_again_gets_nothing_that_was_kept_for_the_old_one(
    server: ApiServer, secrets: StoreSecrets
) -> None:
    await secrets.key(*WHO, HERE)
    server.status = 404
    with pytest.raises(StoreCredentialsError):
        await secrets.key("uid-of-the-new", *WHO[1:], HERE)


async def test_a_forgotten_key_is_asked_for_anew(server: ApiServer, secrets: StoreSecrets) -> None:
    await secrets.key(*WHO, HERE)
    secrets.forget(WHO[0])
    await secrets.key(*WHO, HERE)
    assert len(server.asked) == 2
