from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from moorage_agent.http import application
from moorage_agent.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass
class Health:
    is_startable: bool = False
    is_alive: bool = True


@pytest.fixture
async def asked() -> AsyncIterator[tuple[Health, aiohttp.ClientSession]]:
    health = Health()
    async with (
        TestServer(application(health, Metrics())) as server,
        aiohttp.ClientSession(base_url=server.make_url("/")) as session,
    ):
        yield health, session


async def status(session: aiohttp.ClientSession, path: str) -> int:
    async with session.get(path) as response:
        return response.status


async def test_startup_follows_what_is_staged(asked: tuple[Health, aiohttp.ClientSession]) -> None:
    health, session = asked
    assert await status(session, "/startup") == 503
    health.is_startable = True
    assert await status(session, "/startup") == 200


async def test_healthz_follows_the_loop(asked: tuple[Health, aiohttp.ClientSession]) -> None:
    health, session = asked
    assert await status(session, "/healthz") == 200
    health.is_alive = False
    assert await status(session, "/healthz") == 503


async def test_metrics_are_prometheus_text(asked: tuple[Health, aiohttp.ClientSession]) -> None:
    _, session = asked
    async with session.get("/metrics") as response:
        assert "moorage_agent_triton_up" in await response.text()
