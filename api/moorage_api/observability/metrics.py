"""HTTP metrics, labelled by route template: a path would make a time series of every object's name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds; fine below 5 ms, where the gateway's promise lies."""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class HttpMetrics:
    """Counters of one application."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "moorage_api_http_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=registry,
        )
        self._duration = Histogram(
            "moorage_api_http_request_duration_seconds",
            "Time from the request's head to the answer's end.",
            ["method", "route"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self._in_progress = Gauge(
            "moorage_api_http_requests_in_progress", "Requests being answered.", registry=registry
        )

    @contextmanager
    def in_progress(self) -> Iterator[None]:
        """Count a request as under way."""
        with self._in_progress.track_inprogress():
            yield

    def finished(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answered request; a method nobody knows is ``OTHER``, since anybody may invent some."""
        known = method if method in _METHODS else "OTHER"
        self._requests.labels(known, route, str(status)).inc()
        self._duration.labels(known, route).observe(seconds)
