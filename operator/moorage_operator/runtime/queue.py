"""The keyed work queue between events and workers.

Separate because it alone decides when a tenant is worked on: a key waits at most once, is with at most one worker,
comes back when it was added meanwhile, and a key that fails waits for itself alone. Keys that only might need work wait
behind those that something happened to: a process that begins to lead has all tenants to look at, and a repair due now
must not wait for the last of them.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from moorage_operator.runtime.clock import Clock

FIRST_DELAY = 0.005
"""Back-off after the first failure, in seconds; doubled by each further one, as in controller-runtime."""
LONGEST_DELAY = 60.0
"""Upper bound of the back-off, in seconds; controller-runtime's 1,000 s would leave a repaired tenant broken."""


class WorkQueue:
    """Keys to be worked on: added ones in the order they came, then those behind, the latest remembered first.

    Not thread-safe; one event loop owns it. ``clock`` is read for delayed keys only.
    """

    def __init__(self, clock: Clock, *, first_delay: float = FIRST_DELAY, longest_delay: float = LONGEST_DELAY) -> None:
        self._clock = clock
        self._first_delay = first_delay
        self._longest_delay = longest_delay
        self._waiting: deque[str] = deque()
        self._behind: OrderedDict[str, None] = OrderedDict()
        self._dirty: set[str] = set()
        self._in_flight: set[str] = set()
        self._failures: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        """Return how many keys wait for a worker; delayed ones and those in flight do not count."""
        return len(self._waiting) + len(self._behind)

    @property
    def delayed(self) -> int:
        """Return how many keys wait for their time."""
        return len(self._due)

    def failures(self, key: str) -> int:
        """Return how often in a row a key has failed."""
        return self._failures.get(key, 0)

    def add(self, key: str) -> None:
        """Ask for work on a key: now, or as soon as the worker that has it is done."""
        if key in self._dirty and key not in self._behind:
            return
        self._behind.pop(key, None)
        self._dirty.add(key)
        if key not in self._in_flight:
            self._waiting.append(key)
            self._changed.set()

    def add_behind(self, key: str) -> None:
        """Ask for work on a key behind all others; one that is asked for already keeps its place."""
        if self._put_behind(key):
            self._behind.move_to_end(key, last=False)

    def remember(self, key: str) -> None:
        """Ask for work on a key before all others that are behind: nobody works yet, and the latest matters most."""
        if key in self._behind or self._put_behind(key):
            self._behind.move_to_end(key)

    def _put_behind(self, key: str) -> bool:
        if key in self._in_flight:
            self.add(key)
        if key in self._dirty:
            return False
        self._dirty.add(key)
        self._behind[key] = None
        self._changed.set()
        return True

    def add_after(self, key: str, seconds: float) -> None:
        """Ask for work on a key later; of several delays of one key the shortest counts."""
        if seconds <= 0:
            self.add(key)
            return
        due = self._clock.monotonic() + seconds
        if due < self._due.get(key, float("inf")):
            self._due[key] = due
            heapq.heappush(self._heap, (due, key))
            self._changed.set()

    def add_failed(self, key: str) -> float:
        """Ask for work on a key that failed, after its own back-off; returns the delay in seconds.

        An event meanwhile still asks at once: it may be the repair.
        """
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = min(self._first_delay * 2.0 ** min(failures, 64), self._longest_delay)
        self.add_after(key, delay)
        return delay

    def forget(self, key: str) -> None:
        """Take a key's failures back, after a success."""
        self._failures.pop(key, None)

    async def get(self) -> str:
        """Return the next key; it is in flight until ``done``."""
        while True:
            self._promote()
            if self._waiting or self._behind:
                return self._take()
            self._changed.clear()
            await self._wait()

    def done(self, key: str) -> None:
        """Say that a key's worker has ended, however it ended."""
        self._in_flight.discard(key)
        if key in self._dirty:
            self._waiting.append(key)
            self._changed.set()

    def _take(self) -> str:
        key = self._waiting.popleft() if self._waiting else self._behind.popitem()[0]
        self._dirty.discard(key)
        self._in_flight.add(key)
        return key

    def _promote(self) -> None:
        """Move the keys whose time has come to the waiting ones."""
        now = self._clock.monotonic()
        while self._heap and self._heap[0][0] <= now:
            due, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                del self._due[key]
                self.add(key)

    async def _wait(self) -> None:
        """Wait for a change or for the next delayed key."""
        if not self._heap:
            await self._changed.wait()
            return
        changed = asyncio.ensure_future(self._changed.wait())
        timer = asyncio.ensure_future(self._clock.sleep(self._heap[0][0] - self._clock.monotonic()))
        try:
            await asyncio.wait({changed, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
            timer.cancel()
