"""The connection to the API server asks once, whatever the answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from moorage_api.kube import transport
from tests.support.api_server import answering
from tests.support.loops import closed_connections  # noqa: F401 # a fixture works by being known here


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_read_that_the_api_server_cannot_answer_ends_with_its_answer(tmp_path: Path, status: int) -> None:
    asked: list[str] = []

    async def refuse(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({"kind": "Status"}, status=status)

    async with answering(refuse, tmp_path) as api:
        answer = await transport.call(api, "GET", "/api/v1/namespaces")
    assert (answer.status, asked) == (status, ["/api/v1/namespaces"])
