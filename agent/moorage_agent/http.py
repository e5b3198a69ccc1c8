"""The agent's probes and metrics.

Separate from the loop because a probe only tells; it decides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from aiohttp import web

if TYPE_CHECKING:
    from moorage_agent.metrics import Metrics


class Health(Protocol):
    """What probes ask; ``sync.Sync`` answers."""

    @property
    def is_startable(self) -> bool:
        """Tell whether Triton may start."""

    @property
    def is_alive(self) -> bool:
        """Tell whether the loop still turns."""


def application(health: Health, metrics: Metrics) -> web.Application:
    """Return ``/startup``, ``/healthz`` and ``/metrics``."""

    async def startup(_: web.Request) -> web.Response:
        return _answer(health.is_startable, "revisions are being fetched")

    async def healthz(_: web.Request) -> web.Response:
        return _answer(health.is_alive, "the loop is stuck")

    async def scrape(_: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4"})

    app = web.Application()
    app.add_routes([web.get("/startup", startup), web.get("/healthz", healthz), web.get("/metrics", scrape)])
    return app


def _answer(good: bool, otherwise: str) -> web.Response:
    return web.Response(text="ok") if good else web.Response(status=503, text=otherwise)
