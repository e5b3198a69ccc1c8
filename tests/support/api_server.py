"""An API server on loopback whose answers a test gives, seen through the API's own client.

Separate from ``api``, whose API server is real: some answers, such as 500, cannot be ordered there.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from moorage_api.kube import client
from tests.support.api import settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp.typedefs import Handler
    from kubernetes.aio.client import ApiClient


@asynccontextmanager
async def answering(handler: Handler, folder: Path) -> AsyncIterator[ApiClient]:
    """Let a handler answer every GET; ``folder`` takes the kubeconfig."""
    app = web.Application()
    app.router.add_get("/{rest:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps(_kubeconfig(runner.addresses[0][1])), encoding="utf-8")
    async with client.connect(settings(folder, kubeconfig=kubeconfig)) as api:
        yield api
    await runner.cleanup()


def _kubeconfig(port: int) -> dict[str, object]:
    """Return what leads to a port of loopback, without TLS and credentials."""
    return {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "me", "user": {}}],
    }
