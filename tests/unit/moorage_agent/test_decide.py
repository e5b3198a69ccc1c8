"""The agent's policy as tables: what is seen, what is remembered, what follows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from moorage_agent import triton
from moorage_agent.decide import Memory, Seen, Step, decide, is_startable, state, wake_after
from moorage_agent.repository import OnDisk
from moorage_agent.revisions import Revision
from moorage_agent.triton import TritonModel
from moorage_crds import labels
from tests.unit.moorage_agent.build import failure, ready, revision

NOW = 500.0
A = revision("a")
PROMOTED = replace(A, promoted=True)
DRAINING = replace(A, intent=labels.DRAINING)
HISTORY = replace(A, intent=None)
N = A.triton_name
NOTHING, STAGED, PLACED = OnDisk(), OnDisk(staged=frozenset({N})), OnDisk(placed=frozenset({N}))
DIGEST, OTHER_DIGEST = "0" * 64, "1" * 64
FOLDER, PLACED_FOLDER = replace(STAGED, digests={N: DIGEST}), replace(PLACED, digests={N: DIGEST})
UP: dict[str, TritonModel] = {}
OK = {N: ready(A.hash)}
OTHER_STAMP = {N: ready("ffffffff")}
UNREAD = {N: ready(None)}
FAILED_IN_TRITON = {N: TritonModel(triton.UNAVAILABLE, "Internal: boom")}
LOADING = {N: TritonModel(triton.LOADING)}
UNLOADING = {N: TritonModel(triton.UNLOADING)}
NONE = Memory()
RESTING = Memory(failures={N: failure()})
RESTED = Memory(failures={N: failure(retry_at=NOW)})
FETCH_RESTING = Memory(failures={N: failure(fetch=True)})
OUTDATED = Memory(failures={N: failure(version="uid/0")})
PROVEN = Memory(proven=frozenset({N}))
DRAINED = Memory(draining={N: NOW - 30})
WARMING = OnDisk(placed=frozenset({N}), warming=frozenset({N}))
WARMED = Memory(warmed=frozenset({N}))
STARTING = Memory(silent_since=NOW - 59)
SILENT = Memory(silent_since=NOW - 60)

STEPS = {
    "wanted and nowhere": (A, NOTHING, UP, NONE, Step.FETCH),
    "wanted and nowhere, without Triton": (A, NOTHING, None, NONE, Step.FETCH),
    "a failed fetch rests": (A, NOTHING, UP, FETCH_RESTING, None),
    "a failed fetch has rested": (A, NOTHING, UP, RESTED, Step.FETCH),
    "a failure of another version does not count": (A, NOTHING, UP, OUTDATED, Step.FETCH),
    "staged": (A, STAGED, UP, NONE, Step.LOAD),
    "placed and never loaded": (A, PLACED, UP, NONE, Step.LOAD),
    "placed and unloaded behind our back": (
        A,
        PLACED,
        {N: TritonModel(triton.UNAVAILABLE, "unloaded")},
        NONE,
        Step.LOAD,
    ),
    "Triton failed it at its start: ask once ourselves": (A, PLACED, FAILED_IN_TRITON, NONE, Step.LOAD),
    "a failed load leaves the repository": (A, PLACED, FAILED_IN_TRITON, RESTING, Step.WITHDRAW),
    "a failed load rests out of sight": (A, STAGED, FAILED_IN_TRITON, RESTING, None),
    "a failed load has rested": (A, STAGED, FAILED_IN_TRITON, RESTED, Step.LOAD),
    "a failed load of another version is tried at once": (A, STAGED, FAILED_IN_TRITON, OUTDATED, Step.LOAD),
    "loading": (A, PLACED, LOADING, NONE, None),
    "a load that was given up leaves the repository": (A, PLACED, LOADING, RESTING, Step.WITHDRAW),
    "a load that was given up stays out": (A, STAGED, LOADING, RESTING, None),
    "a load that was given up and goes on is not repeated": (A, STAGED, LOADING, RESTED, None),
    "unloading by mistake": (A, PLACED, UNLOADING, NONE, None),
    "serving": (A, PLACED, OK, NONE, None),
    "serving from files out of the repository": (A, STAGED, OK, NONE, Step.PLACE),
    "serving without files": (A, NOTHING, OK, NONE, Step.FETCH),
    "serving with another stamp": (A, PLACED, OTHER_STAMP, NONE, Step.UNLOAD),
    "serving with another stamp after a try": (A, PLACED, OTHER_STAMP, RESTING, None),
    "serving, stamp not read": (A, PLACED, UNREAD, NONE, None),
    "without Triton, unproven leaves the repository": (A, PLACED, None, NONE, Step.WITHDRAW),
    "without Triton, proven here stays": (A, PLACED, None, PROVEN, None),
    "without Triton, promoted stays": (PROMOTED, PLACED, None, NONE, None),
    "without Triton, promoted is placed": (PROMOTED, STAGED, None, NONE, Step.PLACE),
    "without Triton, unproven stays staged": (A, STAGED, None, NONE, None),
    "without Triton, promoted but failed leaves": (PROMOTED, PLACED, None, RESTING, Step.WITHDRAW),
    "without Triton, promoted but failed stays out": (PROMOTED, STAGED, None, RESTING, None),
    "draining is left alone": (DRAINING, PLACED, OK, NONE, None),
    "draining is not fetched": (DRAINING, NOTHING, UP, NONE, None),
    "draining is not loaded": (DRAINING, PLACED, UP, NONE, None),
    "drained and serving": (DRAINING, PLACED, OK, DRAINED, Step.UNLOAD),
    "drained and unloading": (DRAINING, PLACED, UNLOADING, DRAINED, None),
    "drained and unloaded": (DRAINING, PLACED, UP, DRAINED, Step.DELETE),
    "drained, and a load hangs in Triton": (DRAINING, PLACED, LOADING, DRAINED, Step.DELETE),
    "drained and gone": (DRAINING, NOTHING, UP, DRAINED, None),
    "history and serving": (HISTORY, PLACED, OK, NONE, Step.UNLOAD),
    "history and staged": (HISTORY, STAGED, UP, NONE, Step.DELETE),
    "history, without Triton": (HISTORY, PLACED, None, NONE, Step.DELETE),
    "history, while Triton may be loading it": (HISTORY, PLACED, None, STARTING, None),
    "history, after Triton was silent for long": (HISTORY, PLACED, None, SILENT, Step.DELETE),
    "history out of Triton's sight, while it starts": (HISTORY, STAGED, None, STARTING, Step.DELETE),
    "deleted, while Triton may be loading it": (None, PLACED, None, STARTING, None),
    "deleted and serving": (None, PLACED, OK, NONE, Step.UNLOAD),
    "deleted and on disk": (None, PLACED, UP, NONE, Step.DELETE),
    "deleted and serving without files": (None, NOTHING, OK, NONE, Step.UNLOAD),
    "deleted and gone": (None, NOTHING, {N: TritonModel(triton.UNAVAILABLE, "unloaded")}, NONE, None),
    "a folder whose digest is not on record waits": (A, FOLDER, UP, NONE, None),
    "a folder whose digest is on record": (replace(A, digest=DIGEST), FOLDER, UP, NONE, Step.LOAD),
    "a folder unlike the one on record": (replace(A, digest=OTHER_DIGEST), FOLDER, UP, NONE, Step.FETCH),
    "a folder unlike the one on record rests": (replace(A, digest=OTHER_DIGEST), FOLDER, UP, FETCH_RESTING, None),
    "a serving folder is left alone": (replace(A, digest=OTHER_DIGEST), PLACED_FOLDER, OK, NONE, None),
    "serving and cold": (A, WARMING, OK, NONE, Step.WARM),
    "serving and warm": (A, WARMING, OK, WARMED, None),
    "serving and cold, stamp not read": (A, WARMING, UNREAD, NONE, None),
    "serving and cold after a failed warm-up": (A, WARMING, OK, RESTING, Step.UNLOAD),
    "serving and cold, to be tried again": (A, WARMING, OK, RESTED, Step.WARM),
    "unloaded after a failed warm-up": (A, WARMING, FAILED_IN_TRITON, RESTING, Step.WITHDRAW),
    "draining and cold": (DRAINING, WARMING, OK, NONE, None),
    "busy": (A, NOTHING, UP, Memory(busy={N: Step.FETCH}), None),
}


@pytest.mark.parametrize("case", STEPS)
def test_next_step(case: str) -> None:
    wanted, disk, models, memory, expected = STEPS[case]
    desired = {N: wanted} if wanted else {}
    assert decide(desired, Seen(disk, models), memory, NOW) == ({N: expected} if expected else {})


STATES = {
    "nowhere": (A, NOTHING, UP, NONE, "Fetching"),
    "staged": (A, STAGED, UP, NONE, "Loading"),
    "placed": (A, PLACED, LOADING, NONE, "Loading"),
    "serving": (A, PLACED, OK, NONE, "Loaded"),
    "serving, stamp not read": (A, PLACED, UNREAD, NONE, "Loading"),
    "serving another stamp": (A, PLACED, OTHER_STAMP, NONE, "Loading"),
    "serving although an older load failed": (A, PLACED, OK, RESTING, "Loaded"),
    "serving and cold": (A, WARMING, OK, NONE, "Loading"),
    "serving and warm": (A, WARMING, OK, WARMED, "Loaded"),
    "serving and cold after a failed warm-up": (A, WARMING, OK, RESTING, "LoadFailed"),
    "without Triton": (A, PLACED, None, PROVEN, "Loading"),
    "fetch failed": (A, NOTHING, UP, FETCH_RESTING, "FetchFailed"),
    "fetched again": (A, NOTHING, UP, Memory(failures={N: failure(fetch=True)}, busy={N: Step.FETCH}), "FetchFailed"),
    "load failed": (A, STAGED, FAILED_IN_TRITON, RESTING, "LoadFailed"),
    "failed in another version": (A, STAGED, UP, OUTDATED, "Loading"),
    "draining": (DRAINING, PLACED, OK, NONE, "Loaded"),
    "draining, gone": (DRAINING, NOTHING, UP, NONE, None),
    "drained, serving": (DRAINING, PLACED, OK, DRAINED, "Unloading"),
    "drained, unloading": (DRAINING, PLACED, UNLOADING, DRAINED, "Unloading"),
    "drained, unloaded": (DRAINING, PLACED, UP, DRAINED, None),
    "history": (HISTORY, NOTHING, UP, NONE, None),
}


@pytest.mark.parametrize("case", STATES)
def test_reported_state(case: str) -> None:
    wanted, disk, models, memory, expected = STATES[case]
    said = state(wanted, Seen(disk, models), memory, NOW)
    assert (said.state if said else None) == expected


def test_a_failure_is_reported_in_its_own_words() -> None:
    said = state(A, Seen(STAGED, FAILED_IN_TRITON), RESTING, NOW)
    assert said is not None
    assert (said.name, said.message) == (A.hash, "no")


@pytest.mark.parametrize(("disk", "digest"), [(NOTHING, None), (STAGED, None), (FOLDER, DIGEST)])
def test_a_folders_digest_is_reported(disk: OnDisk, digest: str | None) -> None:
    said = state(A, Seen(disk, UP), NONE, NOW)
    assert said is not None
    assert said.source_digest == digest


def test_a_long_message_is_cut_to_what_status_takes() -> None:
    memory = Memory(failures={N: replace(failure(), message="x" * 10_000)})
    said = state(A, Seen(STAGED, UP), memory, NOW)
    assert said is not None
    assert len(said.message or "") == 4096


def test_revisions_do_not_touch_each_other() -> None:
    bad, good, new = revision("bad"), revision("good"), revision("new")
    disk = OnDisk(placed=frozenset({good.triton_name}))
    memory = Memory(failures={bad.triton_name: failure(fetch=True)})
    seen = Seen(disk, {good.triton_name: ready(good.hash)})
    desired = {each.triton_name: each for each in (bad, good, new)}
    assert decide(desired, seen, memory, NOW) == {new.triton_name: Step.FETCH}


B = revision("b")
BOTH = {N: A, B.triton_name: B}
BOTH_STAGED = Seen(OnDisk(staged=frozenset(BOTH)), UP)
SUSPECT = {N: failure(retry_at=0, crashes=1)}
SUSPECTS = SUSPECT | {B.triton_name: failure(retry_at=0, crashes=1)}

LOADS = {
    "innocents load together": (Memory(), set(BOTH)),
    "a suspect lets others go first": (Memory(failures=SUSPECT), {B.triton_name}),
    "a suspect waits for a load under way": (Memory(failures=SUSPECT, busy={B.triton_name: Step.LOAD}), set()),
    "others wait for a suspect": (Memory(failures=SUSPECT, busy={N: Step.LOAD}), set()),
    "suspects go one by one": (Memory(failures=SUSPECTS), {N}),
    "others wait for a suspect's warm-up": (Memory(failures=SUSPECT, busy={N: Step.WARM}), set()),
}


@pytest.mark.parametrize("case", LOADS)
def test_a_revision_that_may_have_ended_triton_loads_alone(case: str) -> None:
    memory, expected = LOADS[case]
    steps = decide(BOTH, BOTH_STAGED, memory, NOW)
    assert {name for name, step in steps.items() if step is Step.LOAD} == expected


STARTS = {
    "nothing is wanted": (None, NOTHING, NONE, True, True),
    "not fetched": (A, NOTHING, NONE, True, False),
    "staged": (A, STAGED, NONE, True, True),
    "tried": (A, NOTHING, FETCH_RESTING, True, True),
    "not fetched, patience over": (A, NOTHING, NONE, False, True),
    "promoted, staged and not yet placed": (PROMOTED, STAGED, NONE, True, False),
    "promoted, placed": (PROMOTED, PLACED, NONE, True, True),
    "promoted, not fetched, patience over": (PROMOTED, NOTHING, NONE, False, False),
    "draining": (DRAINING, NOTHING, NONE, True, True),
}


@pytest.mark.parametrize("case", STARTS)
def test_triton_may_start(case: str) -> None:
    wanted, disk, memory, patient, expected = STARTS[case]
    assert is_startable({N: wanted} if wanted else {}, Seen(disk), memory, patient=patient) is expected


WAKES = {
    "nothing to do": (A, PLACED, OK, NONE, 30),
    "Triton is away": (A, PLACED, None, NONE, 1),
    "unloading": (HISTORY, PLACED, UNLOADING, NONE, 1),
    "stamp not read": (A, PLACED, UNREAD, NONE, 1),
    "a load that hangs is not polled": (A, PLACED, LOADING, NONE, 30),
    "a retry is due": (A, NOTHING, UP, Memory(failures={N: failure(retry_at=NOW + 7)}), 7),
    "a retry is far": (A, NOTHING, UP, Memory(failures={N: failure(retry_at=float("inf"))}), 30),
    "a drain ends": (DRAINING, PLACED, OK, Memory(draining={N: NOW - 20}), 10),
    "a drain has ended": (DRAINING, NOTHING, UP, Memory(draining={N: NOW - 90}), 30),
}


@pytest.mark.parametrize("case", WAKES)
def test_the_next_look(case: str) -> None:
    wanted, disk, models, memory, expected = WAKES[case]
    assert wake_after({N: wanted}, Seen(disk, models), memory, NOW) == expected


CALLER = replace(A, needs={"b": B.hash})
CALLED = B.triton_name
STAGED_CALLER = OnDisk(staged=frozenset({N}), placed=frozenset({CALLED}))
PLACED_CALLER = OnDisk(placed=frozenset({N, CALLED}))
B_SERVES = {CALLED: ready(B.hash)}
B_LOADS = {CALLED: TritonModel(triton.LOADING)}
B_FAILED = Memory(failures={CALLED: replace(failure(), message="boom")})
BOTH_SERVE = B_SERVES | OK

CALLS: dict[str, tuple[Revision | None, OnDisk, dict[str, TritonModel] | None, Memory, Step | None, str | None]] = {
    "a caller loads once what it calls serves": (B, STAGED_CALLER, B_SERVES, NONE, Step.LOAD, "Loading"),
    "a caller waits while that loads": (B, STAGED_CALLER, B_LOADS, NONE, None, "Loading"),
    "a caller says that it failed": (B, STAGED_CALLER, UP, B_FAILED, None, "LoadFailed"),
    "a caller says that it is gone": (None, STAGED_CALLER, UP, NONE, None, "LoadFailed"),
    "a caller says that it is history": (replace(B, intent=None), STAGED_CALLER, UP, NONE, None, "LoadFailed"),
    "without Triton nothing is missing": (None, STAGED_CALLER, None, NONE, None, "Loading"),
    "a serving caller needs nothing": (B, PLACED_CALLER, BOTH_SERVE, NONE, None, "Loaded"),
}


@pytest.mark.parametrize("case", CALLS)
def test_a_revision_that_calls_another_follows_it(case: str) -> None:
    called, disk, models, memory, step, word = CALLS[case]
    desired = {N: CALLER} | ({CALLED: called} if called else {})
    seen = Seen(disk, models)
    assert decide(desired, seen, memory, NOW).get(N) == step
    said = state(CALLER, seen, memory, NOW, desired)
    assert said is not None
    assert said.state == word
    assert (said.reason == "DependencyMissing") == (word == "LoadFailed")


def test_what_a_kept_revision_calls_stays_although_its_model_was_deleted() -> None:
    assert decide({N: CALLER}, Seen(PLACED_CALLER, BOTH_SERVE), NONE, NOW) == {}


def test_what_is_called_by_history_goes_with_its_model() -> None:
    steps = decide({N: replace(CALLER, intent=None)}, Seen(PLACED_CALLER, BOTH_SERVE), NONE, NOW)
    assert steps == {N: Step.UNLOAD, CALLED: Step.UNLOAD}


def test_what_a_kept_revision_calls_is_unloaded_where_the_operator_says_so() -> None:
    steps = decide({N: CALLER, CALLED: replace(B, intent=None)}, Seen(PLACED_CALLER, BOTH_SERVE), NONE, NOW)
    assert steps == {CALLED: Step.UNLOAD}
