"""The table of what requests met in each scenario, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.e2e.traffic import Outcome

_HEAD = ("scenario", "requests", "failed", "wrong", "p50", "p99", "p50 beside", "p99 beside", "recovered")
_FORMAT = "{:<42} {:>8} {:>6} {:>5} {:>8} {:>8} {:>10} {:>10} {:>9}"


def lines(rows: Iterable[tuple[str, Outcome]]) -> Iterator[str]:
    """Yield the table: counts, latencies in ms of the changed model and its neighbours, seconds to recover.

    The changed model is the first one that was asked.
    """
    yield _FORMAT.format(*_HEAD)
    for scenario, outcome in rows:
        changed, *neighbours = outcome.expected
        parts = (outcome.of(changed), outcome.of(*neighbours))
        times = [f"{part.percentile(percent):.1f}" for part in parts for percent in (50, 99)]
        counts = (len(outcome.samples), len(outcome.failed), len(outcome.wrong))
        yield _FORMAT.format(scenario, *counts, *times, f"{outcome.recovery:.1f}")
