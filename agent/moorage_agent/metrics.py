"""The agent's metrics.

Separate so that every name stands in one list; a registry of its own keeps two agents in one test apart.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest


class Metrics:
    """Counters and gauges of one agent."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.revisions = Gauge(
            "moorage_agent_revisions", "Revisions by reported state.", ["state"], registry=self.registry
        )
        self.steps = Counter(
            "moorage_agent_steps", "Steps by kind and outcome.", ["step", "outcome"], registry=self.registry
        )
        self.seconds = Histogram(
            "moorage_agent_step_seconds",
            "Duration of steps.",
            ["step"],
            registry=self.registry,
            buckets=(0.01, 0.1, 0.5, 1, 2, 5, 15, 60, 300, 1800),
        )
        self.reports = Counter(
            "moorage_agent_status_writes", "Status writes by outcome.", ["outcome"], registry=self.registry
        )
        self.triton_up = Gauge("moorage_agent_triton_up", "1 while Triton answers.", registry=self.registry)
        self.relists = Counter("moorage_agent_relists", "Lists of revisions.", registry=self.registry)

    def text(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self.registry)
