"""Gateways are found, asked and understood, and one that does not answer makes data missing."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Unpack

import pytest
from prometheus_client import CollectorRegistry, start_http_server

from moorage_api.gateway.counters import RevisionCounters
from moorage_api.gateway.errors import ModelFailedError
from moorage_crds import names
from moorage_operator.reconcile import Canary
from moorage_operator.runtime import apierrors
from moorage_operator.runtime.gateways import PERIOD, Gateways, parse
from tests.unit.moorage_operator.runtime.fake_clock import START, FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moorage_operator.runtime.client import Options

Manifest = dict[str, Any]
CANARY = Canary("digits", "aaaaaaaa", START)
KEY = ("digits", "aaaaaaaa")


@dataclass
class Slices:
    """An API server that has one list of EndpointSlices, or none."""

    ports: dict[int, bool] = field(default_factory=dict)
    """Ready or not, by port of 127.0.0.1."""
    error: apierrors.ApiError | None = None
    asked: int = 0

    async def request(self, method: str, path: str, **options: Unpack[Options]) -> Manifest:
        assert method == "GET"
        assert path == "/apis/discovery.k8s.io/v1/namespaces/moorage-system/endpointslices"
        assert options == {"params": {"labelSelector": "kubernetes.io/service-name=moorage-api-metrics"}}
        self.asked += 1
        if self.error:
            raise self.error
        return {"items": [_slice(port, ready=ready) for port, ready in self.ports.items()]}


def _slice(port: int, *, ready: bool) -> Manifest:
    endpoint = {"addresses": ["127.0.0.1"], "conditions": {"ready": ready}}
    return {"ports": [{"name": "metrics", "port": port}], "endpoints": [endpoint]}


@dataclass(frozen=True)
class Served:
    port: int
    counters: RevisionCounters

    def answer(self, requests: int, errors: int = 0, revision: str = "aaaaaaaa") -> None:
        for number in range(requests):
            with suppress(ModelFailedError), self.counters.counting("acme", "digits", revision):
                if number < errors:
                    raise ModelFailedError("x")


@contextmanager
def gateway(started: float = START.timestamp() + 1) -> Iterator[Served]:
    """Serve a gateway's metrics as the API does."""
    registry = CollectorRegistry()
    counters = RevisionCounters(registry, clock=lambda: started)
    server, thread = start_http_server(0, "127.0.0.1", registry)
    yield Served(server.server_port, counters)
    server.shutdown()
    server.server_close()
    thread.join()


def told(news: list[str]) -> list[str]:
    """Return the news and forget them."""
    found, news[:] = list(news), []
    return found


async def test_figures_of_all_gateways_are_summed_and_told(clock: FakeClock) -> None:
    news: list[str] = []
    with gateway() as one, gateway() as two:
        slices = Slices({one.port: True, two.port: True})
        one.answer(5, errors=2)
        two.answer(3)
        two.answer(9, revision="bbbbbbbb")
        async with Gateways(slices, "moorage-system", clock, news.append) as gateways:
            gateways.follow("acme", [CANARY])
            await gateways.ask()
            tally = gateways.tallies("acme")[KEY]
            assert (tally.requests, tally.errors, tally.complete_at) == (8, 2, START)
            assert told(news) == ["acme"]
            one.answer(1)
            await gateways.ask()
            assert gateways.tallies("acme")[KEY].requests == 9


@pytest.mark.parametrize("started", [START.timestamp() - 1, START.timestamp() + 1])
async def test_what_an_older_gateway_had_counted_before_the_trial_does_not_count(
    clock: FakeClock, started: float
) -> None:
    with gateway(started) as one:
        one.answer(50, errors=50)
        async with Gateways(Slices({one.port: True}), "moorage-system", clock, lambda _: None) as gateways:
            gateways.follow("acme", [CANARY])
            await gateways.ask()
            one.answer(3)
            await gateways.ask()
            tally = gateways.tallies("acme")[KEY]
    assert (tally.requests, tally.errors) == ((3, 0) if started < START.timestamp() else (53, 50))


async def test_a_gateway_that_does_not_answer_makes_data_missing(clock: FakeClock) -> None:
    with gateway() as gone:
        dead = gone.port
    with gateway() as one:
        one.answer(5)
        slices = Slices({one.port: True, dead: True})
        async with Gateways(slices, "moorage-system", clock, lambda _: None) as gateways:
            gateways.follow("acme", [CANARY])
            await gateways.ask()
            tally = gateways.tallies("acme")[KEY]
            assert (tally.requests, tally.complete_at) == (5, None)
            slices.ports[dead] = False
            await gateways.ask()
            assert gateways.tallies("acme")[KEY].complete_at == START


@pytest.mark.parametrize("slices", [Slices(), Slices(error=apierrors.ServerError("x", 500))], ids=["none", "unknown"])
async def test_without_gateways_data_are_missing_and_told_so(clock: FakeClock, slices: Slices) -> None:
    news: list[str] = []
    async with Gateways(slices, "moorage-system", clock, news.append) as gateways:
        gateways.follow("acme", [CANARY])
        await gateways.ask()
        assert gateways.tallies("acme")[KEY].complete_at is None
    assert news == ["acme"]


async def test_figures_are_kept_while_a_canary_is_followed_and_begin_anew_with_another_trial(clock: FakeClock) -> None:
    with gateway() as one:
        one.answer(5)
        async with Gateways(Slices({one.port: True}), "moorage-system", clock, lambda _: None) as gateways:
            gateways.follow("acme", [CANARY])
            await gateways.ask()
            gateways.follow("acme", [CANARY])
            gateways.follow("other", [])
            assert gateways.tallies("acme")[KEY].requests == 5
            assert gateways.tallies("other") == {}
            gateways.follow("acme", [Canary("digits", "aaaaaaaa", clock.now().replace(year=2031))])
            assert gateways.tallies("acme")[KEY].requests == 0
            gateways.follow("acme", [])
            assert gateways.tallies("acme") == {}


async def test_nobody_is_asked_without_a_canary(clock: FakeClock) -> None:
    slices = Slices()
    async with Gateways(slices, "moorage-system", clock, lambda _: None) as gateways:
        task = asyncio.create_task(gateways.run())
        await clock.advance(10 * PERIOD)
        assert slices.asked == 0
        gateways.follow("acme", [CANARY])
        await clock.advance(3 * PERIOD)
        assert slices.asked == 4
        gateways.follow("acme", [])
        await clock.advance(10 * PERIOD)
        assert slices.asked == 4
        task.cancel()
        await asyncio.wait({task})


@pytest.mark.parametrize(
    "text",
    ["", "<html>", "other 1\n", f"{names.GATEWAY_STARTED} 1\n{names.REVISION_REQUESTS}_total 1\n"],
    ids=["nothing", "a page", "another's metrics", "counters without labels"],
)
def test_an_answer_that_is_no_gateways_is_refused(text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        parse("a", text)
