"""``moorage-api serve``: run the API until told to stop."""

from __future__ import annotations

import os
from typing import Final

import uvicorn
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, start_http_server

from moorage_api import keyring
from moorage_api.app import create_app
from moorage_api.observability import logs
from moorage_api.settings import Settings

_GRACE_SECONDS: Final = 30
_OWNER_ONLY: Final = 0o077


def run(settings: Settings) -> None:
    """Serve; raises MissingSecretError before anything listens."""
    os.umask(_OWNER_ONLY)  # the database file holds password hashes
    logs.configure(settings.log_level)
    keyring.load(settings.secrets_dir)
    registry = _registry()
    if settings.metrics_port:
        start_http_server(settings.metrics_port, settings.host, registry)
    app = create_app(settings, registry)
    # Built before anything listens, since it takes half a second in which this process would answer nobody.
    app.openapi()
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.http_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


def _registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return registry
