"""Requests through the gateway for as long as something else happens, each answer checked and kept.

Separate from the scenarios because an honest count of failures needs requests that know nothing of them: a few per
second and model, one after the other, bounded in number and time.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import quantiles
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from tests.support.e2e import infer_body

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NUMBERS: Final = (1.0, 2.0, 3.0, 4.0)
_PAUSE_SECONDS: Final = 0.02
_MOST_REQUESTS: Final = 20_000
"""Per model; a scenario that hangs must not become a load test."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One request and what came of it."""

    model: str
    began: float
    """Monotonic seconds."""
    seconds: float
    status: int
    """HTTP status, 0 when no answer came."""
    revision: str
    """What ``Moorage-Model-Revision`` says."""
    factor: float | None
    """By what the answer multiplied its input, None without an answer."""

    @property
    def has_failed(self) -> bool:
        """Whether it was not answered with 200."""
        return self.status != 200


@dataclass(frozen=True)
class Outcome:
    """What the requests of one scenario met."""

    samples: tuple[Sample, ...]
    expected: Mapping[str, Mapping[str, float]]
    """Factor of each revision, by model."""
    began: float
    """When the scenario began, in monotonic seconds."""

    def of(self, *models: str) -> Outcome:
        """Return the outcome of some models alone."""
        samples = tuple(one for one in self.samples if one.model in models)
        return Outcome(samples, self.expected, self.began)

    @property
    def failed(self) -> list[Sample]:
        """The requests that were not answered."""
        return [one for one in self.samples if one.has_failed]

    @property
    def wrong(self) -> list[Sample]:
        """The answers that are not those of the revision that their header names."""
        answered = (one for one in self.samples if not one.has_failed)
        return [one for one in answered if self.expected[one.model].get(one.revision) != one.factor]

    @property
    def revisions(self) -> set[str]:
        """The revisions that answered."""
        return {one.revision for one in self.samples if not one.has_failed}

    @property
    def recovery(self) -> float:
        """Seconds from the beginning until no request failed any more; 0 when none did."""
        return max((one.began + one.seconds - self.began for one in self.failed), default=0.0)

    def percentile(self, percent: int) -> float:
        """Return a percentile of the answered requests' latency in milliseconds."""
        answered = [one.seconds * 1000 for one in self.samples if not one.has_failed]
        return quantiles(answered, n=100, method="inclusive")[percent - 1] if len(answered) > 1 else float("nan")


@dataclass
class Traffic:
    """Requests to a tenant's models, from a thread of their own."""

    url: str
    """Base URL of the tenant in the API."""
    token: str = field(repr=False)
    expected: dict[str, dict[str, float]]
    """Factor of each revision, by model; a revision is entered before it can answer."""

    @contextmanager
    def during(self) -> Iterator[list[Outcome]]:
        """Ask every model while the block runs; the list holds the outcome once it has ended."""
        done, samples, result = threading.Event(), list[Sample](), list[Outcome]()
        thread = threading.Thread(target=lambda: asyncio.run(self._ask_all(done, samples)))
        began = time.monotonic()
        thread.start()
        try:
            yield result
        finally:
            done.set()
            thread.join()
        result.append(Outcome(tuple(samples), self.expected, began))

    async def _ask_all(self, done: threading.Event, samples: list[Sample]) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        session = aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=30))
        async with session, asyncio.TaskGroup() as group:
            for model in list(self.expected):
                group.create_task(self._ask(session, model, done, samples))

    async def _ask(
        self, session: aiohttp.ClientSession, model: str, done: threading.Event, samples: list[Sample]
    ) -> None:
        for _ in range(_MOST_REQUESTS):
            if done.is_set():
                return
            samples.append(await self._once(session, model))
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _once(self, session: aiohttp.ClientSession, model: str) -> Sample:
        began = time.monotonic()
        status, revision, factor = 0, "", None
        try:
            async with session.post(f"{self.url}/v2/models/{model}/infer", json=infer_body(*_NUMBERS)) as answer:
                body = await answer.json(content_type=None)
                status, revision = answer.status, answer.headers.get("Moorage-Model-Revision", "")
                factor = _factor(body) if status == 200 else None
        except (aiohttp.ClientError, TimeoutError):
            status = 0
        return Sample(model, began, time.monotonic() - began, status, revision, factor)


def _factor(body: Mapping[str, Any]) -> float | None:
    """Return by what the answer multiplied the numbers, None when it is no multiple of them at all."""
    data = body["outputs"][0]["data"]
    factor = data[0] / _NUMBERS[0]
    return float(factor) if data == [number * factor for number in _NUMBERS] else None
