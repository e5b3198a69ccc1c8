"""Whether a canary proves itself: what gateways counted of it, against what its spec demands.

Separate from ``rollouts``, which acts on the verdict, and pure: readings and the clock come as arguments. Gateways'
counters only grow while their process lives, so a process is known by where it listens and when it started. Without
readings there is no promotion: silence is no proof.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from moorage_crds.rollout import AutoPromote, seconds

MISSING_AFTER: Final = timedelta(seconds=15)
"""Age of the last complete round of readings from which data count as missing: three rounds."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one gateway process has counted of a revision since it started."""

    address: str
    started: float
    """Unix time at which the process began to count."""
    requests: float
    errors: float


@dataclass(frozen=True, slots=True)
class _Seen:
    """The last reading of a process."""

    requests: float
    errors: float


@dataclass(frozen=True, slots=True)
class Tally:
    """What has been counted of one canary so far."""

    since: datetime
    """Start of the trial."""
    requests: float = 0
    errors: float = 0
    complete_at: datetime | None = None
    """When every gateway was last read."""
    seen: Mapping[tuple[str, float], _Seen] = field(default_factory=dict)
    """Last readings by process."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the figures say."""

    action: Literal["Wait", "Promote", "Reject"]
    message: str


def add(tally: Tally, readings: Iterable[Reading], now: datetime, *, is_complete: bool) -> Tally:
    """Return the tally with another round of readings; ``is_complete`` when every gateway answered."""
    for reading in readings:
        tally = _add(tally, reading)
    return replace(tally, complete_at=now) if is_complete else tally


def _add(tally: Tally, reading: Reading) -> Tally:
    process = (reading.address, reading.started)
    before = tally.seen.get(process) or _baseline(tally, reading)
    return replace(
        tally,
        requests=tally.requests + _growth(before.requests, reading.requests),
        errors=tally.errors + _growth(before.errors, reading.errors),
        seen={**tally.seen, process: _Seen(reading.requests, reading.errors)},
    )


def _baseline(tally: Tally, reading: Reading) -> _Seen:
    """Return what a process had counted before the trial: nothing when it is younger, else what it says first."""
    is_younger = reading.started >= tally.since.timestamp()
    return _Seen(0, 0) if is_younger else _Seen(reading.requests, reading.errors)


def _growth(before: float, after: float) -> float:
    """Return by how much a counter grew; one that fell was forgotten and began anew."""
    return after - before if after >= before else after


def judge(demands: AutoPromote, since: datetime, tally: Tally | None, now: datetime) -> Judgement:
    """Return what becomes of a canary that has been in the traffic ``since`` then."""
    if tally is None or tally.since != since:
        return Judgement("Wait", "The gateways have not been asked yet.")
    is_enough = tally.requests >= demands.min_requests
    if is_enough and tally.errors > demands.max_error_rate * tally.requests:
        counted = f"{tally.errors:.0f} of {tally.requests:.0f} requests failed"
        return Judgement("Reject", f"{counted}; at most {demands.max_error_rate:.2%} may.")
    if tally.complete_at is None or now - tally.complete_at > MISSING_AFTER:
        return Judgement("Wait", "Not every gateway tells how its requests went.")
    if not is_enough:
        return Judgement("Wait", f"Fewer than {demands.min_requests} requests so far.")
    if now < since + timedelta(seconds=seconds(demands.after)):
        return Judgement("Wait", f"The trial lasts {demands.after}.")
    return Judgement("Promote", "")
