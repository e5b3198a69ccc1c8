"""Assembles the application; what it is made of is decided elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from moorage_api import errors, router
from moorage_api.gateway import service as gateway
from moorage_api.gateway.dispatch import GatewayDispatcher
from moorage_api.middleware.body_limit import BodyLimit
from moorage_api.middleware.error_boundary import ErrorBoundary
from moorage_api.middleware.request_context import RequestContext
from moorage_api.middleware.security_headers import SecurityHeaders
from moorage_api.observability.metrics import HttpMetrics
from moorage_api.openapi.document import Application
from moorage_api.services import Factory, running
from moorage_api.settings import Settings
from moorage_api.vectors import service as vectors
from moorage_api.vectors.backends.weaviate.pool import Pool
from moorage_api.vectors.backends.weaviate.trust import Trust
from moorage_api.vectors.store_secrets import StoreSecrets


def create_app(
    settings: Settings, registry: CollectorRegistry | None = None, factory: Factory = running
) -> Application:
    """Return the application; its services run from the lifespan's start to its end."""
    metrics = CollectorRegistry() if registry is None else registry

    @asynccontextmanager
    async def lifespan(app: Application) -> AsyncIterator[None]:
        async with (
            factory(settings, metrics) as services,
            gateway.running(services.cache, services.authenticator, metrics) as running_gateway,
            vectors.running(
                services.cache,
                running_gateway,
                Pool(trust=Trust.of(settings.ca_bundle)),
                StoreSecrets(services.kubernetes, services.clock),
            ) as running_vectors,
        ):
            app.state.services = services
            app.state.gateway = running_gateway
            app.state.vectors = running_vectors
            yield

    # No slash redirects: a redirected POST loses its body in many clients. The document has a route of its own.
    app = Application(title="Moorage", version="v1", lifespan=lifespan, openapi_url=None, redirect_slashes=False)
    errors.install(app)
    router.include_all(app)
    _wrap(app, settings, HttpMetrics(metrics))
    return app


def _wrap(app: Application, settings: Settings, metrics: HttpMetrics) -> None:
    """Put the middleware around the routes, the innermost first."""
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes, bulk_limit=settings.max_bulk_body_bytes)
    app.add_middleware(GatewayDispatcher)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(ErrorBoundary)
    app.add_middleware(RequestContext, metrics=metrics)
