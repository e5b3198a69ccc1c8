from __future__ import annotations

import asyncio
from typing import Any

import pytest

from moorage_crds.conditions import REASONS
from moorage_operator.metrics import Metrics
from moorage_operator.runtime import apierrors
from moorage_operator.runtime.events import LINE, Recorder, between
from tests.unit.moorage_operator.runtime.fake_api import ScriptedApi
from tests.unit.moorage_operator.runtime.fake_clock import FakeClock, settle
from tests.unit.moorage_operator.runtime.objects import Manifest, condition, manifest, tenant


def with_status(one: Manifest, *conditions: Manifest) -> Manifest:
    return {**one, "status": {"conditions": list(conditions)}}


READY = condition("Ready", "True", "Available")
WAITING = condition("Ready", "False", "Progressing")
FAILED = condition("Ready", "False", "LoadFailed", "no such file")
STALLED = condition("Stalled", "True", "LoadFailed", "no such file")
NOT_STALLED = condition("Stalled", "False", "Progressing")

KEYS = condition("CredentialsReady", "True", "Available")
ROTATING = condition("CredentialsReady", "True", "RotatingCredentials", "old keys end")

CASES: list[tuple[str, list[Manifest], list[Manifest], list[tuple[str, str]]]] = [
    ("first status", [], [WAITING, KEYS], [("Normal", "Progressing")]),
    ("becoming ready", [WAITING], [READY], [("Normal", "Available")]),
    ("failing", [WAITING], [FAILED, STALLED], [("Warning", "LoadFailed")]),
    ("stalling without a change of Ready", [FAILED], [FAILED, STALLED], [("Warning", "LoadFailed")]),
    ("staying the same", [READY], [READY], []),
    ("another message alone", [FAILED], [{**FAILED, "message": "other"}], []),
    ("an end of stalling alone", [FAILED, STALLED], [FAILED, NOT_STALLED], []),
    ("a condition nobody is told of", [READY], [READY, condition("ModelsReady", "False", "X")], []),
    ("a rotation alone", [READY, KEYS], [READY, ROTATING], [("Normal", "RotatingCredentials")]),
    ("a rotation under way", [READY, ROTATING], [READY, ROTATING], []),
    ("its end", [READY, ROTATING], [READY, KEYS], [("Normal", "CredentialsRotated")]),
    (
        "a rotation that replaces pods",
        [READY, KEYS],
        [WAITING, ROTATING],
        [("Normal", "Progressing"), ("Normal", "RotatingCredentials")],
    ),
]


@pytest.mark.parametrize(("before", "after", "told"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_people_are_told(before: list[Manifest], after: list[Manifest], told: list[tuple[str, str]]) -> None:
    happenings = between(with_status(tenant(), *before), with_status(tenant(), *after))
    assert [(each.kind, each.reason) for each in happenings] == told
    assert all(each.reason in REASONS for each in happenings)


class Recording:
    def __init__(self, clock: FakeClock) -> None:
        self.api = ScriptedApi()
        self.metrics = Metrics()
        self.recorder = Recorder(self.api, self.metrics, clock, "pod-1")

    async def write(self, *answers: Manifest | apierrors.ApiError) -> list[Any]:
        self.api.answers.extend(answers)
        task = asyncio.create_task(self.recorder.run())
        await settle()
        task.cancel()
        await asyncio.wait({task})
        return [request.body for request in self.api.requests]


async def test_a_tenants_event_goes_where_kubectl_describe_looks(clock: FakeClock) -> None:
    it = Recording(clock)
    it.recorder.transition(None, with_status(tenant(), READY))
    (event,) = await it.write({})
    assert event["metadata"]["namespace"] == "default"
    reference = {"apiVersion": "moorage.dev/v1alpha1", "kind": "Tenant", "name": "acme", "uid": "t1"}
    assert event["involvedObject"] == reference
    assert (event["type"], event["reason"], event["count"]) == ("Normal", "Available", 1)


async def test_a_models_event_goes_to_its_namespace(clock: FakeClock) -> None:
    it = Recording(clock)
    it.recorder.transition(None, with_status(manifest("m", 1, kind="ModelDeployment"), READY))
    (event,) = await it.write({})
    assert event["metadata"]["namespace"] == event["involvedObject"]["namespace"] == "tenant-acme"


async def test_a_repetition_counts_up_under_the_same_name(clock: FakeClock) -> None:
    it = Recording(clock)
    it.recorder.transition(with_status(tenant(), WAITING), with_status(tenant(), READY))
    await clock.advance(60)
    it.recorder.transition(with_status(tenant(), WAITING), with_status(tenant(), READY))
    first, second = await it.write({}, {})
    assert first["metadata"]["name"] == second["metadata"]["name"]
    assert (second["count"], second["firstTimestamp"]) == (2, first["firstTimestamp"])
    assert second["lastTimestamp"] == "2030-01-01T00:01:00Z"


async def test_an_event_that_is_refused_is_counted_and_the_next_still_written(clock: FakeClock) -> None:
    it = Recording(clock)
    it.recorder.transition(None, with_status(tenant(), WAITING))
    it.recorder.transition(None, with_status(tenant(), READY))
    events = await it.write(apierrors.ForbiddenError("no", 403), {})
    assert len(events) == 2
    assert it.metrics.registry.get_sample_value("moorage_operator_events_lost_total") == 1


def test_a_line_that_is_full_loses_events_and_never_waits(clock: FakeClock) -> None:
    it = Recording(clock)
    for number in range(LINE + 10):
        it.recorder.transition(None, with_status(tenant(uid=str(number)), READY))
    assert it.metrics.registry.get_sample_value("moorage_operator_events_lost_total") == 10


async def test_a_long_message_is_cut(clock: FakeClock) -> None:
    it = Recording(clock)
    it.recorder.transition(None, with_status(tenant(), condition("Ready", "False", "LoadFailed", "x" * 5000)))
    (event,) = await it.write({})
    assert len(event["message"]) == 1000
