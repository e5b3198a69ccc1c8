"""How much a tenant may ask of its gateway: ``Tenant.spec.quota`` applied to requests.

Separate from the service because it alone knows tenants' numbers. Memory holds them, which is exact for one process.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from moorage_api.errors import RateLimitedError
from moorage_api.gateway.errors import ConcurrencyLimitedError
from moorage_api.ratelimit.gcra import Gcra
from moorage_api.ratelimit.policy import Limit
from moorage_crds.tenant import Quota

Manifest = Mapping[str, Any]

_DEFAULT: Final = Quota()
_KEY: Final = ""
"""One key per limiter: each tenant has a limiter of its own, since their limits differ."""


@dataclass(frozen=True)
class Bounds:
    """A tenant's bounds on requests."""

    per_second: int
    burst: int
    concurrent: int


@dataclass
class _Tenant:
    """What is counted of a tenant."""

    generation: int
    bounds: Bounds
    rate: Gcra
    in_flight: int = 0


def bounds_of(tenant: Manifest) -> Bounds:
    """Return the bounds of a Tenant; a manifest from the API server holds every default."""
    quota = (tenant.get("spec") or {}).get("quota") or {}
    return Bounds(
        quota.get("requestsPerSecond", _DEFAULT.requests_per_second),
        quota.get("burst", _DEFAULT.burst),
        quota.get("concurrentRequests", _DEFAULT.concurrent_requests),
    )


class TenantLimits:
    """Counts requests by tenant.

    Args:
        clock: Seconds of any one clock that only goes forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tenants: dict[str, _Tenant] = {}

    def admit(self, tenant: Manifest) -> None:
        """Count a request; raises RateLimitedError when the tenant has asked too often."""
        wait = self._of(tenant).rate.admit(_KEY, self._clock())
        if wait > 0:
            raise RateLimitedError("The tenant's requests a second are used up.", math.ceil(wait))

    @contextmanager
    def slot(self, tenant: Manifest) -> Iterator[None]:
        """Hold one of the tenant's places for as long as a request is answered; raises ConcurrencyLimitedError."""
        counted = self._of(tenant)
        if counted.in_flight >= counted.bounds.concurrent:
            raise ConcurrencyLimitedError("The tenant's requests at the same time are used up.", 1)
        counted.in_flight += 1
        try:
            yield
        finally:
            counted.in_flight -= 1

    def _of(self, tenant: Manifest) -> _Tenant:
        """Return what is counted of a tenant; changed bounds count anew, and requests in flight go on."""
        metadata = tenant["metadata"]
        known = self._tenants.get(metadata["name"])
        if known is not None and known.generation == metadata["generation"]:
            return known
        bounds = bounds_of(tenant)
        if known is None:
            known = self._tenants[metadata["name"]] = _Tenant(metadata["generation"], bounds, _limiter(bounds))
        elif known.bounds != bounds:
            known.bounds, known.rate = bounds, _limiter(bounds)
        known.generation = metadata["generation"]
        return known


def _limiter(bounds: Bounds) -> Gcra:
    return Gcra(Limit(bounds.burst, bounds.burst / bounds.per_second))
