"""The first user comes from the installation's Secret, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from moorage_api.users import initial_admin, repository
from tests.support.api import PASSWORD, Api

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "initial-admin"
    folder.mkdir()
    (folder / "username").write_text("boss\n")
    (folder / "password").write_text(PASSWORD + "\n")
    return folder


async def ensure(api: Api, folder: Path) -> None:
    await initial_admin.ensure(api.services.database, api.services.passwords, folder, api.clock())


async def login(api: Api, name: str) -> int:
    body = {"name": name, "password": PASSWORD}
    return (await api.client.post("/api/v1/auth/login", json=body)).status_code


async def test_the_first_user_administers_the_platform(api: Api, folder: Path) -> None:
    await ensure(api, folder)

    assert await login(api, "boss") == 200


async def test_where_there_is_a_user_nothing_happens(api: Api, folder: Path) -> None:
    await api.user("alice")
    await ensure(api, folder)

    assert await login(api, "boss") == 401


async def test_without_the_secret_nothing_happens(api: Api, tmp_path: Path) -> None:
    await ensure(api, tmp_path / "nothing")

    async with api.services.database.read() as sql:
        assert not await repository.has_users(sql)
