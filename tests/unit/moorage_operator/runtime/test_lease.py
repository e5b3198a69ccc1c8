from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Unpack

import pytest

from moorage_operator.runtime.lease import Elector
from tests.unit.moorage_operator.runtime.fake_api import LeaseApi
from tests.unit.moorage_operator.runtime.fake_clock import FakeClock, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from moorage_operator.runtime.client import Options
    from tests.unit.moorage_operator.runtime.objects import Manifest


@dataclass
class Candidate:
    """One process that wants to lead; ``api`` may be its own view of a shared Lease."""

    elector: Elector
    spans: list[str] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    async def lead(self) -> None:
        self.spans.append("began")
        try:
            await asyncio.Event().wait()
        finally:
            self.spans.append("ended")

    async def stop(self) -> None:
        assert self.task
        self.task.cancel()
        await asyncio.wait({self.task})


@dataclass
class View:
    """A process's own connection to the shared API server, which can be cut."""

    api: LeaseApi
    cut: bool = False

    async def request(self, method: str, path: str, **options: Unpack[Options]) -> Manifest:
        other = LeaseApi(broken=True) if self.cut else self.api
        return await other.request(method, path, **options)


@asynccontextmanager
async def candidate(api: LeaseApi | View, name: str, clock: FakeClock) -> AsyncIterator[Candidate]:
    made = Candidate(Elector(api, "moorage-system", name, clock))
    made.task = asyncio.create_task(made.elector.run(made.lead))
    await settle()
    yield made
    await made.stop()


async def test_the_first_takes_the_lease_at_once(clock: FakeClock) -> None:
    api = LeaseApi()
    async with candidate(api, "a", clock) as a:
        assert a.spans == ["began"]
        assert a.elector.is_leader
        assert api.holder == "a"


async def test_the_second_waits_as_long_as_the_first_renews(clock: FakeClock) -> None:
    api = LeaseApi()
    async with candidate(api, "a", clock) as a, candidate(api, "b", clock) as b:
        await clock.advance(120)
        assert (a.spans, b.spans) == (["began"], [])
        assert api.version > 50


async def test_a_candidate_knows_that_it_was_refused(clock: FakeClock) -> None:
    api = LeaseApi()
    async with candidate(api, "one", clock) as one, candidate(api, "two", clock) as two:
        assert (one.elector.refused.is_set(), two.elector.refused.is_set()) == (False, True)


async def test_a_released_lease_is_taken_within_3_seconds(clock: FakeClock) -> None:
    api = LeaseApi()
    async with candidate(api, "a", clock) as a, candidate(api, "b", clock) as b:
        await clock.advance(5)
        await a.stop()
        assert api.holder == ""
        await clock.advance(3)
        assert (a.spans, b.spans) == (["began", "ended"], ["began"])


async def test_a_crashed_holder_is_replaced_within_20_seconds_and_not_before_15(clock: FakeClock) -> None:
    api = LeaseApi()
    view = View(api)
    async with candidate(view, "a", clock), candidate(api, "b", clock) as b:
        await clock.advance(5)
        view.cut = True
        await clock.advance(13)
        assert b.spans == []
        await clock.advance(7)
        assert b.spans == ["began"]


async def test_a_holder_that_cannot_renew_stops_before_another_may_begin(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    api = LeaseApi()
    view = View(api)
    async with candidate(view, "a", clock) as a, candidate(api, "b", clock) as b:
        await clock.advance(4)
        view.cut = True
        await clock.advance(12)
        assert (a.spans, b.spans) == (["began", "ended"], [])
        assert not a.elector.is_leader
        assert a.task
        assert not a.task.done()
        assert reasons(caplog) == ["it could not be renewed for 10 s"]


async def test_a_lease_taken_away_stops_the_work_at_the_next_renewal(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    api = LeaseApi()
    async with candidate(api, "a", clock) as a:
        assert api.record
        api.version += 1
        spec = {**api.record["spec"], "holderIdentity": "thief"}
        api.record = {**api.record, "metadata": {**api.record["metadata"], "resourceVersion": "77"}, "spec": spec}
        await clock.advance(2.5)
        assert a.spans == ["began", "ended"]
    assert api.holder == "thief"
    assert reasons(caplog) == ["thief holds it"]


def reasons(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return why the lease was lost, as the log says."""
    lost = [record for record in caplog.records if record.message == "lost the lease"]
    return [record.moorage_fields["reason"] for record in lost]  # type: ignore[attr-defined]  # our own addition


async def test_a_renewal_whose_answer_was_lost_does_not_end_the_leadership(clock: FakeClock) -> None:
    api = LeaseApi()
    async with candidate(api, "a", clock) as a:
        api.lose_answers = True
        await clock.advance(2.5)
        api.lose_answers = False
        await clock.advance(60)
        assert a.spans == ["began"]


async def test_a_restart_under_the_same_name_takes_the_lease_at_once(clock: FakeClock) -> None:
    api = LeaseApi()
    view = View(api)
    async with candidate(view, "a", clock):
        view.cut = True
    async with candidate(api, "a", clock) as again:
        assert again.spans == ["began"]


async def test_a_hiccup_shorter_than_the_deadline_costs_nothing(clock: FakeClock) -> None:
    api = LeaseApi()
    async with candidate(api, "a", clock) as a:
        await clock.advance(3)
        api.broken = True
        await clock.advance(6)
        api.broken = False
        await clock.advance(30)
        assert a.spans == ["began"]


async def test_work_has_ended_before_the_lease_is_released(clock: FakeClock) -> None:
    api = LeaseApi()
    holders: list[str] = []

    async def lead() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await settle()
            holders.append(api.holder)

    task = asyncio.create_task(Elector(api, "moorage-system", "a", clock).run(lead))
    await settle()
    task.cancel()
    await asyncio.wait({task})
    assert (holders, api.holder) == (["a"], "")


async def test_transitions_are_counted_for_people(clock: FakeClock) -> None:
    api = LeaseApi()
    for name in ("a", "b"):
        async with candidate(api, name, clock):
            await clock.advance(5)
    assert api.record
    assert api.record["spec"]["leaseTransitions"] == 2
