"""How often the status of one object may be written.

Separate because statuses follow pods and agents, which change by the dozen at a start: without a pace every step of
every replica would become a write. A burst passes at once, so that a model's way to Ready is not slowed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from moorage_operator.runtime.clock import Clock

INTERVAL = 1.0
"""Seconds per write in the long run."""
BURST = 3
"""Writes that may follow each other at once."""


class Pace:
    """A generic cell rate algorithm per key: one float each, for keys that wrote lately."""

    def __init__(self, clock: Clock, interval: float = INTERVAL, burst: int = BURST) -> None:
        self._clock = clock
        self._interval = interval
        self._tolerance = interval * (burst - 1)
        self._arrivals: dict[str, float] = {}

    def __len__(self) -> int:
        """Return how many keys are remembered."""
        return len(self._arrivals)

    def take(self, key: str) -> float:
        """Return 0 and count a write, or the seconds until one is allowed."""
        now = self._clock.monotonic()
        arrival = max(self._arrivals.get(key, now), now)
        wait = arrival - self._tolerance - now
        if wait > 0:
            return wait
        self._arrivals[key] = arrival + self._interval
        self._prune(now)
        return 0.0

    def _prune(self, now: float) -> None:
        """Forget keys whose time has passed, once there are many: objects come and go for ever."""
        if len(self._arrivals) > 1024:  # noqa: PLR2004 - any bound does; this one is below 100 KiB
            self._arrivals = {key: at for key, at in self._arrivals.items() if at > now}
