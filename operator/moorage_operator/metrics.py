"""What the operator tells Prometheus.

Separate so that every metric's name and meaning stands in one place. Values that already exist elsewhere, such as the
queue's depth, are read when asked for instead of being copied on each change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector

_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30)


@dataclass(frozen=True)
class Observed:
    """Values read at each scrape, from another thread: each must be one read of a number or of a finished mapping."""

    depth: Callable[[], int]
    delayed: Callable[[], int]
    is_leader: Callable[[], bool]
    informer_ages: Callable[[], dict[str, float]]
    tenants: Callable[[], int]
    upgrades_queued: Callable[[], int]


@dataclass
class Metrics:
    """Counters that the runtime increments; ``registry`` holds them and what ``expose`` adds."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        """Register the counters and the process's own figures."""
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.reconciles = Histogram(
            "moorage_operator_reconcile_seconds",
            "Duration of one tenant's reconciliation. outcome: unchanged, written, stale, refused, failed",
            ["outcome"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.writes = Counter(
            "moorage_operator_writes",
            "Writes to the API server. result: ok or the error's code",
            ["kind", "verb", "result"],
            registry=self.registry,
        )
        self.conflicts = Counter(
            "moorage_operator_conflicts",
            "Writes refused because the object had changed or was there already",
            registry=self.registry,
        )
        self.events_lost = Counter(
            "moorage_operator_events_lost",
            "Kubernetes Events that could not be written",
            registry=self.registry,
        )

    def expose(self, observed: Observed) -> None:
        """Add the values that are read at each scrape."""
        self.registry.register(_Collector(observed))


@dataclass(frozen=True)
class _Collector:
    observed: Observed

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges as they are now."""
        of = self.observed
        yield _gauge("queue_depth", "Tenants that wait for a worker", of.depth())
        yield _gauge("queue_delayed", "Tenants that wait for their time", of.delayed())
        yield _gauge("leader", "1 in the process that holds the Lease", int(of.is_leader()))
        yield _gauge("tenants", "Tenants observed", of.tenants())
        yield _gauge("upgrades_queued", "Tenants whose pods an upgrade replaces in their turn", of.upgrades_queued())
        ages = GaugeMetricFamily(
            "moorage_operator_informer_age_seconds", "Time since the API server was last heard of", labels=["kind"]
        )
        for kind, age in of.informer_ages().items():
            ages.add_metric([kind], age)
        yield ages


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"moorage_operator_{name}", text, value=value)
