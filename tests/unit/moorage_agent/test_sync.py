"""The loop with a real store, a Triton that speaks its protocol in memory, and a clock of the test's."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from moorage_agent import triton
from moorage_agent.errors import FetchError, TritonLostError, TritonRefusedError, TritonUnavailableError
from moorage_agent.metrics import Metrics
from moorage_agent.protobufs import model_config_pb2, service_pb2
from moorage_agent.repository import OnDisk, Repository
from moorage_agent.sources import INLINE, Sources
from moorage_agent.sources.inline import Inline
from moorage_agent.sync import Sync
from moorage_agent.triton import TritonModel
from moorage_crds import labels
from tests.unit.moorage_agent.build import revision, snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping
    from pathlib import Path
    from typing import Any

    from moorage_agent.report import Entry
    from moorage_agent.revisions import Revision
    from moorage_agent.sources.budget import Budget
    from moorage_crds.modeldeployment import Source


@dataclass
class FakeTriton:
    """A Triton: loads what lies in the repository, says no where it is told to."""

    store: Path
    is_up: bool = True
    held: dict[str, TritonModel] = field(default_factory=dict)
    refusals: dict[str, Exception] = field(default_factory=dict)
    stamps: dict[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    answers: dict[str, Exception | None] = field(default_factory=dict)
    """What a request is answered, by Triton name; nothing wrong without an entry."""

    async def config(self, name: str) -> Any:
        return model_config_pb2.ModelConfig(name=name)

    async def infer(self, request: Any) -> AsyncIterator[Any]:
        self.calls.append(f"infer {request.model_name}")
        if error := self.answers.get(request.model_name):
            raise error
        yield service_pb2.ModelInferResponse()

    async def models(self, stamped: Iterable[str]) -> dict[str, TritonModel]:
        if not self.is_up:
            raise TritonUnavailableError("Triton does not answer")
        wanted = set(stamped)
        return {name: model if name in wanted else replace(model, stamp=None) for name, model in self.held.items()}

    async def stamp(self, name: str) -> str | None:
        return self.held[name].stamp

    async def load(self, name: str) -> None:
        self.calls.append(f"load {name}")
        assert (self.store / "repository" / name / "config.pbtxt").is_file()
        if name in self.refusals:
            raise self.refusals[name]
        self.held[name] = TritonModel(triton.READY, stamp=self.stamps.get(name, name.rpartition("--")[2]))

    async def unload(self, name: str) -> None:
        self.calls.append(f"unload {name}")
        assert (self.store / "repository" / name).is_dir(), "files must outlive the model"
        del self.held[name]

    async def lost(self) -> None:
        await asyncio.Event().wait()


class FailingSources:
    """Sources that fail, or do what inline sources do."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.fetched = 0

    async def fetch(self, source: Source, into: Path, budget: Budget) -> None:
        self.fetched += 1
        if self.error:
            raise self.error
        if source.inline:
            await Sources({INLINE: Inline()}).fetch(source, into, budget)
        else:
            (into / "model.py").write_text("code")


@dataclass
class Reports:
    newest: dict[str, Entry] = field(default_factory=dict)

    def submit(self, entries: Mapping[str, Entry]) -> None:
        self.newest = dict(entries)


class World:
    """Everything around one loop."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self.now = 1000.0
        self.triton = FakeTriton(store)
        self.sources = FailingSources()
        self.reports = Reports()
        self.repository = Repository(store, limit=1 << 20)
        self.desired: dict[str, Revision] = {}
        self.restart()

    def restart(self) -> None:
        """Begin with an empty memory, as after a kill."""
        self.repository.open()
        self.sync = Sync(
            self.repository,
            self.triton,
            self.sources,
            reports=self.reports,
            metrics=Metrics(),
            clock=lambda: self.now,
        )

    def want(self, *revisions: Revision) -> None:
        self.desired = {each.triton_name: each for each in revisions}

    async def settle(self, looks: int = 6) -> None:
        """Look until nothing is left to do."""
        for _ in range(looks):
            await self.sync.look(self.desired)
            while self.sync._tasks:
                await asyncio.wait(self.sync._tasks)
                await asyncio.sleep(0)
        await self.sync.look(self.desired)

    def states(self, model: str = "a") -> list[tuple[str, str | None]]:
        return [(each.state, each.message) for each in self.reports.newest.get(model, ())]

    def reasons(self, model: str = "a") -> list[str | None]:
        return [each.reason for each in self.reports.newest.get(model, ())]

    def placed(self) -> frozenset[str]:
        return self.repository.on_disk().placed


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


A, B = revision("a"), revision("b")
N = A.triton_name


async def test_a_wanted_revision_ends_up_loaded(world: World) -> None:
    world.want(A)
    await world.settle()
    assert world.states() == [("Loaded", None)]
    assert world.triton.calls == [f"load {N}"]
    assert world.repository.on_disk() == OnDisk(placed=frozenset({N}))


async def test_looking_again_does_nothing(world: World) -> None:
    world.want(A, B)
    await world.settle()
    calls = list(world.triton.calls)
    await world.settle()
    assert world.triton.calls == calls


async def test_a_load_under_way_is_not_begun_again(world: World) -> None:
    release = asyncio.Event()
    load = world.triton.load

    async def slow(name: str) -> None:
        await release.wait()
        await load(name)

    world.sync._server = replace(world.triton)
    world.sync._server.load = slow  # type: ignore[method-assign] # a Triton of the test's own that takes its time
    world.want(A)
    for _ in range(30):
        await world.sync.look(world.desired)
        await asyncio.sleep(0.01)
    release.set()
    await world.settle()
    assert world.triton.calls == [f"load {N}"]


async def test_a_revision_that_is_deleted_is_unloaded_before_its_files_go(world: World) -> None:
    world.want(A)
    await world.settle()
    world.want()
    await world.settle()
    assert world.triton.calls[-1] == f"unload {N}"
    assert world.repository.on_disk() == OnDisk()
    assert world.reports.newest == {}


async def test_a_draining_revision_serves_thirty_seconds_more(world: World) -> None:
    world.want(A)
    await world.settle()
    world.want(replace(A, intent=labels.DRAINING))
    await world.settle()
    world.now += 29
    await world.settle()
    assert world.states() == [("Loaded", None)]
    world.now += 1
    await world.settle()
    assert world.triton.held == {}
    assert world.states() == []


async def test_a_revision_wanted_again_while_draining_drains_in_full_later(world: World) -> None:
    draining = replace(A, intent=labels.DRAINING)
    world.want(A)
    await world.settle()
    for wanted, seconds in ((draining, 20), (A, 20), (draining, 20)):
        world.want(wanted)
        await world.settle()
        world.now += seconds
    await world.settle()
    assert N in world.triton.held


async def test_a_failed_load_is_reported_in_tritons_words_and_costs_others_nothing(world: World) -> None:
    world.triton.refusals[N] = TritonRefusedError("load failed: SyntaxError")
    world.want(A, B)
    await world.settle()
    assert world.states("a") == [("LoadFailed", "load failed: SyntaxError")]
    assert world.states("b") == [("Loaded", None)]
    assert world.placed() == {B.triton_name}
    assert world.triton.calls.count(f"load {N}") == 1


async def test_a_failed_load_is_tried_again_after_minutes(world: World) -> None:
    world.triton.refusals[N] = TritonRefusedError("out of memory")
    world.want(A)
    await world.settle()
    world.now += 119
    await world.settle()
    assert world.triton.calls.count(f"load {N}") == 1
    world.triton.refusals.clear()
    world.now += 1
    await world.settle()
    assert world.states() == [("Loaded", None)]


async def test_a_failed_load_is_tried_again_when_its_controller_revision_changed(world: World) -> None:
    world.triton.refusals[N] = TritonRefusedError("out of memory")
    world.want(A)
    await world.settle()
    world.triton.refusals.clear()
    world.want(replace(A, version="uid/2"))
    await world.settle()
    assert world.states() == [("Loaded", None)]


async def test_a_failed_fetch_is_retried_with_growing_pauses(world: World) -> None:
    world.sources.error = FetchError("models.example answered 503")
    world.want(A)
    await world.settle()
    assert world.states() == [("FetchFailed", "models.example answered 503")]
    assert world.sources.fetched == 1
    world.now += 5
    await world.settle()
    assert world.sources.fetched == 2
    world.now += 9
    await world.settle()
    assert world.sources.fetched == 2
    world.sources.error = None
    world.now += 1
    await world.settle()
    assert world.states() == [("Loaded", None)]


async def test_a_full_disk_is_a_failed_fetch(world: World) -> None:
    world.sources.error = OSError(28, "No space left on device")
    world.want(A)
    await world.settle()
    assert world.states() == [("FetchFailed", "[Errno 28] No space left on device")]
    assert world.reasons() == ["StorageFull"]


async def test_a_full_disk_leaves_what_serves_alone_and_clears_by_itself(world: World) -> None:
    world.want(A)
    await world.settle()
    calls = list(world.triton.calls)
    world.sources.error = OSError(28, "No space left on device")
    world.want(A, B)
    await world.settle()
    assert world.states("a") == [("Loaded", None)]
    assert world.triton.calls == calls
    world.sources.error = None
    world.now += 5
    await world.settle()
    assert (world.states("b"), world.reasons("b")) == ([("Loaded", None)], [None])


async def test_a_folder_is_served_once_its_digest_is_on_record(world: World) -> None:
    folder = revision("a", snapshot(source={"uri": "s3://models/a"}))
    world.want(folder)
    await world.settle()
    (said,) = world.reports.newest["a"]
    assert (said.state, world.triton.calls) == ("Loading", [])
    world.want(replace(folder, digest=said.source_digest, version="uid/2"))
    await world.settle()
    assert world.states() == [("Loaded", None)]


async def test_of_two_replicas_that_find_different_folders_the_second_serves_nothing(world: World) -> None:
    folder = revision("a", snapshot(source={"uri": "s3://models/a"}))
    world.want(folder)
    await world.settle()
    world.want(replace(folder, digest="f" * 64, version="uid/2"))
    await world.settle()
    assert (world.reasons(), world.triton.calls) == (["SourceChanged"], [])
    assert world.repository.on_disk() == OnDisk()


async def test_an_error_nobody_thought_of_does_not_show_its_words(world: World) -> None:
    world.sources.error = KeyError("secret")
    world.want(A, B)
    await world.settle()
    assert world.states() == [("FetchFailed", "unexpected KeyError")]


async def test_a_wrong_stamp_is_no_loaded_revision(world: World) -> None:
    world.triton.stamps[N] = "ffffffff"
    world.want(A)
    await world.settle()
    assert [word for word, _ in world.states()] == ["LoadFailed"]
    assert world.triton.calls.count(f"load {N}") == 1


async def test_a_restarted_triton_is_followed_from_disk(world: World) -> None:
    world.want(A)
    await world.settle()
    world.triton.is_up = False
    await world.settle()
    assert world.states() == [("Loading", None)]
    assert world.placed() == {N}
    world.triton.is_up = True
    await world.settle()
    assert world.states() == [("Loaded", None)]


async def test_a_triton_that_lost_a_model_gets_it_again(world: World) -> None:
    world.want(A)
    await world.settle()
    world.triton.held.clear()
    await world.settle()
    assert world.states() == [("Loaded", None)]


async def test_a_revision_that_ends_triton_is_withdrawn_and_tried_once_more(world: World) -> None:
    world.triton.refusals[N] = TritonLostError("Triton went away: Socket closed")
    world.want(A, B)
    await world.settle()
    assert world.placed() == {B.triton_name}
    assert world.states() == [("LoadFailed", "Triton went away: Socket closed")]
    world.now += 5
    await world.settle()
    assert world.triton.calls.count(f"load {N}") == 2
    world.now += 100_000
    await world.settle()
    assert world.triton.calls.count(f"load {N}") == 2


async def test_a_key_that_triton_refuses_is_no_failure_of_the_revision(world: World) -> None:
    world.triton.refusals[N] = TritonUnavailableError("Triton refuses the agent's key")
    world.want(A)
    await world.settle(2)
    assert world.states() == [("Loading", None)]


async def test_an_agent_killed_in_mid_fetch_begins_again(world: World) -> None:
    world.want(A)
    (world.repository.begin(N) / "half").write_text("x")
    world.restart()
    await world.settle()
    assert world.states() == [("Loaded", None)]
    assert not list(world.store.rglob("half"))


async def test_a_restarted_agent_changes_nothing_that_serves(world: World) -> None:
    world.want(A)
    await world.settle()
    calls = list(world.triton.calls)
    world.restart()
    await world.settle()
    assert world.states() == [("Loaded", None)]
    assert world.triton.calls == calls
    assert world.sources.fetched == 1


async def test_without_the_api_server_nothing_is_touched_and_triton_starts_from_disk(world: World) -> None:
    world.want(replace(A, promoted=True))
    await world.settle()
    world.restart()
    await world.sync.look(None)
    assert not world.sync.is_startable
    world.now += 20
    await world.sync.look(None)
    assert world.sync.is_startable
    assert world.placed() == {N}


async def test_without_the_api_server_an_empty_disk_starts_no_triton(world: World) -> None:
    world.now += 100
    await world.sync.look(None)
    assert not world.sync.is_startable


async def test_triton_starts_when_what_is_promoted_lies_in_its_repository(world: World) -> None:
    world.triton.is_up = False
    world.want(replace(A, promoted=True), B)
    await world.sync.look(world.desired)
    assert not world.sync.is_startable
    await world.settle()
    assert world.sync.is_startable
    assert world.repository.on_disk() == OnDisk(frozenset({B.triton_name}), frozenset({N}))


async def test_triton_starts_although_a_source_fails(world: World) -> None:
    world.triton.is_up = False
    world.sources.error = FetchError("no")
    world.want(replace(A, promoted=True))
    await world.settle()
    assert world.sync.is_startable


async def test_a_slow_source_holds_up_no_other_revision(world: World) -> None:
    release = asyncio.Event()

    class Slow:
        async def fetch(self, source: Source, into: Path, budget: Budget) -> None:
            if source.inline and "slow" in source.inline.files:
                await release.wait()
            await Sources({INLINE: Inline()}).fetch(source, into, budget)

    slow = revision("s", {"tenantID": "t", "model": "s", "source": {"inline": {"files": {"slow": "x"}}}})
    world.sync._sources = Slow()
    world.want(slow, B)
    for _ in range(50):
        await world.sync.look(world.desired)
        await asyncio.sleep(0.01)
        if world.states("b") == [("Loaded", None)]:
            break
    assert world.states("b") == [("Loaded", None)]
    assert world.states("s") == [("Fetching", None)]
    release.set()
    await world.settle()


async def test_the_loop_is_stuck_when_it_has_not_looked_for_two_minutes(world: World) -> None:
    assert world.sync.is_alive
    world.now += 121
    assert not world.sync.is_alive
    await world.sync.look({})
    assert world.sync.is_alive


WARM = revision(
    "a",
    snapshot("a", config={"warmup": [{"name": "w", "inputs": [{"name": "X", "dataType": "TYPE_FP32", "dims": [1]}]}]}),
)


async def test_a_warm_up_is_answered_before_the_revision_counts_as_loaded(world: World) -> None:
    world.want(WARM)
    await world.settle()
    assert world.triton.calls == [f"load {WARM.triton_name}", f"infer {WARM.triton_name}"]
    assert world.states() == [("Loaded", None)]


async def test_a_failed_warm_up_is_a_failed_load_and_is_tried_again(world: World) -> None:
    name = WARM.triton_name
    world.want(WARM)
    world.triton.answers[name] = TritonRefusedError("no luck")
    await world.settle()
    assert world.triton.calls == [f"load {name}", f"infer {name}", f"unload {name}"]
    assert (world.states(), world.reasons()) == ([("LoadFailed", "warm-up 'w': no luck")], ["WarmupFailed"])
    assert world.placed() == frozenset()
    world.triton.answers.clear()
    world.now += 120
    await world.settle()
    assert world.states() == [("Loaded", None)]


async def test_a_restarted_triton_is_warmed_again(world: World) -> None:
    world.want(replace(WARM, promoted=True))
    await world.settle()
    world.triton.is_up = False
    await world.settle(1)
    world.triton.is_up = True
    world.triton.calls.clear()
    await world.settle()
    assert world.triton.calls == [f"infer {WARM.triton_name}"]
    assert world.states() == [("Loaded", None)]


async def test_a_restarted_agent_warms_nothing_that_serves(world: World) -> None:
    world.want(replace(WARM, promoted=True))
    await world.settle()
    world.restart()
    world.triton.calls.clear()
    await world.settle()
    assert world.triton.calls == []
    assert world.states() == [("Loaded", None)]


async def test_a_restarted_agent_warms_a_revision_that_never_served(world: World) -> None:
    world.want(WARM)
    await world.settle()
    world.restart()
    world.triton.calls.clear()
    await world.settle()
    assert world.triton.calls == [f"infer {WARM.triton_name}"]


async def test_a_revision_that_has_served_before_serves_although_its_warm_up_fails(world: World) -> None:
    world.want(replace(WARM, promoted=True))
    world.triton.answers[WARM.triton_name] = TritonRefusedError("no luck")
    await world.settle()
    assert world.states() == [("Loaded", None)]
