"""The connection to the API server asks once, whatever the answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from aiohttp import web

from moorage_api.kube import client, transport
from tests.support.api import settings
from tests.support.loops import closed_connections  # noqa: F401 # a fixture works by being known here


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_read_that_the_api_server_cannot_answer_ends_with_its_answer(tmp_path: Path, status: int) -> None:
    asked: list[str] = []

    async def refuse(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({"kind": "Status"}, status=status)

    app = web.Application()
    app.router.add_get("/{rest:.*}", refuse)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(kubeconfig_of(runner.addresses[0][1])), encoding="utf-8")
    async with client.connect(settings(tmp_path, kubeconfig=kubeconfig)) as api:
        answer = await transport.call(api, "GET", "/api/v1/namespaces")
    await runner.cleanup()
    assert (answer.status, asked) == (status, ["/api/v1/namespaces"])


def kubeconfig_of(port: int) -> dict[str, object]:
    """Return what leads to an API server on loopback, without TLS and credentials."""
    return {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "me", "user": {}}],
    }
