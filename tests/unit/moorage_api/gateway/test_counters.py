"""What counts as a request of a revision, and what as its failure."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from moorage_api.gateway.counters import RevisionCounters
from moorage_api.gateway.errors import ModelFailedError, ModelRefusedError, ModelTimeoutError, UnknownModelError
from moorage_api.gateway.proxy import NotSentError
from moorage_api.gateway.replies import NotHeldError
from moorage_crds import names
from moorage_crds.errors import UnavailableError

if TYPE_CHECKING:
    from tests.support.api import Api

REVISION = {"tenant": "acme", "model": "digits", "revision": "aaaaaaaa"}


def counted(registry: CollectorRegistry, **labels: str) -> tuple[float | None, float | None]:
    given = {**REVISION, **labels}
    kinds = (names.REVISION_REQUESTS, names.REVISION_ERRORS)
    requests, errors = (registry.get_sample_value(f"{kind}_total", given) for kind in kinds)
    return requests, errors


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (None, (1, None)),
        (ModelFailedError("x"), (1, 1)),
        (ModelTimeoutError("x"), (1, 1)),
        (UnavailableError("x"), (1, 1)),
        (ModelRefusedError("x"), (1, None)),
        (UnknownModelError("x"), (1, None)),
        (asyncio.CancelledError(), (1, None)),
        (NotSentError(), (None, None)),
        (NotHeldError(), (None, None)),
    ],
    ids=lambda end: type(end).__name__ if isinstance(end, BaseException) else str(end),
)
def test_a_request_that_ends_so_counts(end: BaseException | None, expected: tuple[float | None, float | None]) -> None:
    registry = CollectorRegistry()
    counters = RevisionCounters(registry)
    with suppress(BaseException), counters.counting(**REVISION):
        if end is not None:
            raise end
    assert counted(registry) == expected


def test_the_start_is_told() -> None:
    registry = CollectorRegistry()
    RevisionCounters(registry, clock=lambda: 1234.5)
    assert registry.get_sample_value(names.GATEWAY_STARTED) == 1234.5


def test_of_too_many_revisions_those_asked_longest_ago_are_forgotten() -> None:
    registry = CollectorRegistry()
    counters = RevisionCounters(registry, remembered=2)
    for revision in ("aaaaaaaa", "bbbbbbbb", "aaaaaaaa", "cccccccc"):
        with counters.counting("acme", "digits", revision):
            pass
    assert [counted(registry, revision=each * 8)[0] for each in "abc"] == [2, None, 1]


async def test_a_running_api_shows_them_with_its_other_metrics(api: Api) -> None:
    assert api.services.registry.get_sample_value(names.GATEWAY_STARTED)
