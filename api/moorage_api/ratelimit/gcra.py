"""The generic cell rate algorithm in memory: one number per key, exact, without windows that reset.

Memory holds for one process, which is all there is in Single mode.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from moorage_api.ratelimit.policy import Limit

_CAPACITY: Final = 100_000
"""Keys held; the one longest unseen goes first, so that an attacker's many names cost bounded memory."""

_ROUNDING: Final = 1e-6
"""Seconds that sums of intervals may be off by: without it the last request of a burst would be refused."""


class Gcra:
    """Admits ``limit.requests`` at once and then one every ``limit.seconds / limit.requests``."""

    def __init__(self, limit: Limit) -> None:
        self._interval = limit.seconds / limit.requests
        self._tolerance = limit.seconds - self._interval
        self._arrivals: OrderedDict[str, float] = OrderedDict()
        """Key -> theoretical arrival time: when the key's bucket will be empty again."""

    def admit(self, key: str, now: float) -> float:
        """Count a request; return 0.0 when it is admitted, else the seconds until one would be.

        ``now`` is in seconds of any one clock. A refused request counts nothing.
        """
        arrival = max(self._arrivals.get(key, now), now)
        wait = arrival - self._tolerance - now
        if wait > _ROUNDING:
            return wait
        self._arrivals[key] = arrival + self._interval
        self._arrivals.move_to_end(key)
        if len(self._arrivals) > _CAPACITY:
            self._arrivals.popitem(last=False)
        return 0.0
