"""Everything a request may need, wired once: the only place that knows how the parts fit together.

Separate from ``app`` so that routes, gateway and commands share one wiring, and tests hand in another cluster.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request
from kubernetes.aio.client import ApiClient
from prometheus_client import CollectorRegistry
from starlette.requests import HTTPConnection

from moorage_api.auth.authenticator import Authenticator
from moorage_api.auth.passwords import Passwords
from moorage_api.auth.repository import SqlCredentialStore
from moorage_api.clock import Clock, system
from moorage_api.db.engine import Database
from moorage_api.keyring import Keyring
from moorage_api.keyring import load as load_keyring
from moorage_api.kube import client
from moorage_api.kube.cache import ClusterCache
from moorage_api.kube.writes import ClusterWrites
from moorage_api.ratelimit.gcra import Gcra
from moorage_api.ratelimit.policy import POLICY
from moorage_api.settings import Settings
from moorage_api.users import initial_admin


@dataclass(frozen=True)
class Services:
    """The parts of one running API; ``app.state.services`` while the application lives."""

    settings: Settings
    keyring: Keyring
    clock: Clock
    registry: CollectorRegistry
    """Where every part registers its metrics."""
    database: Database
    authenticator: Authenticator
    passwords: Passwords
    login_limiter: Gcra
    kubernetes: ApiClient
    cache: ClusterCache
    writes: ClusterWrites


Factory = Callable[[Settings, CollectorRegistry], AbstractAsyncContextManager[Services]]
"""Makes the services and takes them down again."""


def services_of(connection: HTTPConnection) -> Services:
    """Return the services of the application that serves this request."""
    return cast("Services", connection.app.state.services)


def _of_request(request: Request) -> Services:
    return services_of(request)


CurrentServices = Annotated[Services, Depends(_of_request)]
"""The services, as an endpoint's parameter."""


def wire(
    *,
    settings: Settings,
    secrets: Keyring,
    registry: CollectorRegistry,
    database: Database,
    kubernetes: ApiClient,
    now: Clock = system,
) -> Services:
    """Return the services around a database and a cluster; starts nothing."""
    cache = ClusterCache(kubernetes)
    return Services(
        settings=settings,
        keyring=secrets,
        clock=now,
        registry=registry,
        database=database,
        authenticator=Authenticator(SqlCredentialStore(database), secrets.jwt_key, secrets.pepper, now),
        passwords=Passwords(),
        login_limiter=Gcra(POLICY["login"]),
        kubernetes=kubernetes,
        cache=cache,
        writes=ClusterWrites(kubernetes, cache),
    )


@asynccontextmanager
async def running(settings: Settings, registry: CollectorRegistry) -> AsyncIterator[Services]:
    """Run the real services: secrets from files, the database migrated, the cluster watched."""
    secrets = load_keyring(settings.secrets_dir)
    async with Database.open(settings.database_url) as database, client.connect(settings) as kubernetes:
        await database.migrate()
        services = wire(settings=settings, secrets=secrets, registry=registry, database=database, kubernetes=kubernetes)
        await initial_admin.ensure(database, services.passwords, settings.initial_admin_dir, services.clock())
        async with watching(services.cache):
            yield services


@asynccontextmanager
async def watching(cache: ClusterCache) -> AsyncIterator[None]:
    """Keep the cache fed; does not wait for it, since readiness says when it is."""
    task = asyncio.create_task(cache.run(), name="cluster-cache")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
