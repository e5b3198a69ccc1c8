from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Unpack

from moorage_crds import labels, names
from moorage_operator.metrics import Metrics
from moorage_operator.reconcile import (
    Action,
    Apply,
    ApplyStatus,
    AwaitTurn,
    Canary,
    Create,
    MakeStoreUser,
    Tally,
    World,
)
from moorage_operator.runtime import apierrors, watched
from moorage_operator.runtime.apply import Executor
from moorage_operator.runtime.cache import Change, Entry
from moorage_operator.runtime.events import Recorder
from moorage_operator.runtime.pace import Pace
from moorage_operator.runtime.queue import WorkQueue
from moorage_operator.runtime.reconciler import Decisions, Figures, Reconciler
from moorage_operator.runtime.store import Store
from moorage_operator.runtime.storeusers import Stores
from moorage_operator.runtime.turns import Turns
from tests.unit.moorage_operator.runtime.fake_clock import START, FakeClock, settle
from tests.unit.moorage_operator.runtime.objects import Manifest, manifest, tenant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping
    from datetime import datetime

    from moorage_operator.runtime.client import Options


@dataclass
class Server:
    """Commits every POST with the next version, unless the tenant's script says otherwise."""

    clock: FakeClock
    errors: dict[str, list[apierrors.ApiError]] = field(default_factory=dict)
    posts: list[tuple[float, str]] = field(default_factory=list)
    reads: list[float] = field(default_factory=list)
    """When the Secret was read."""
    version: int = 100

    async def request(self, method: str, path: str, **options: Unpack[Options]) -> Manifest:
        if method == "GET":
            self.reads.append(self.clock.monotonic())
            return {"metadata": {}, "data": {names.WEAVIATE_ROOT_KEY: "cm9vdA=="}}
        assert method in ("POST", "PATCH")
        assert path
        assert options["params"]
        body = options["body"]
        metadata = body["metadata"]
        name = metadata.get("namespace", f"tenant-{metadata['name']}")
        self.posts.append((self.clock.monotonic(), name))
        if self.errors.get(name):
            raise self.errors[name].pop(0)
        self.version += 1
        made = manifest(metadata["name"], self.version, namespace=name, uid=str(self.version))
        return rolling(made) if body["kind"] == "Deployment" else made


def rolling(made: Manifest, *, is_done: bool = False) -> Manifest:
    """Return a Deployment as its new template makes it, or when its controller is done with it."""
    version = made["metadata"]["resourceVersion"]
    counts = {"updatedReplicas": 1, "availableReplicas": 1, "observedGeneration": 1}
    metadata = {**made["metadata"], "generation": 1, "resourceVersion": str(int(version) + is_done)}
    spec = {"replicas": 1}
    return {**made, "kind": "Deployment", "metadata": metadata, "spec": spec, "status": counts if is_done else {}}


@dataclass
class Decider:
    """Wants one Service per tenant; what it was told of failures is kept."""

    told: list[tuple[str, str]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    statuses: set[str] = field(default_factory=set)
    """Tenants of which only the status is ever written."""
    stores: set[str] = field(default_factory=set)
    """Tenants whose vector store shall have a user; it never answers here."""
    again: float | None = None
    upgrades: set[str] = field(default_factory=set)
    """Tenants whose Deployment shall have other pods, if they may be rolled."""
    canaries: list[Mapping[tuple[str, str], Tally]] = field(default_factory=list)

    def decide(self, world: World, now: datetime, failure: str | None = None) -> tuple[Action, ...]:
        assert now.tzinfo
        if failure is not None:
            self.told.append((world.tenant_name, failure))
            return ()
        self.seen.append(world.tenant_name)
        self.canaries.append(world.canaries)
        if world.tenant_name in self.upgrades:
            return (self._upgrade(world),)
        if world.tenant_name in self.broken:
            raise RuntimeError("a bug")
        if world.tenant_name in self.statuses:
            return (ApplyStatus("Tenant", None, world.tenant_name, {}),)
        if world.tenant_name in self.stores:
            return (MakeStoreUser(world.namespace_name, "moorage-0", is_only=True, is_replicated=False, patch=()),)
        if ("Service", "triton") in world.children:
            return ()
        metadata = {"name": "triton", "namespace": world.namespace_name}
        return (Create({"apiVersion": "v1", "kind": "Service", "metadata": metadata}),)

    def _upgrade(self, world: World) -> Action:
        if not world.may_roll:
            return AwaitTurn("Deployment", world.namespace_name, "triton")
        self.upgrades.discard(world.tenant_name)
        metadata = {"name": "triton", "namespace": world.namespace_name}
        return Apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}, "1")

    def requeue_after(self, world: World, now: datetime) -> float | None:
        assert world.tenant_name
        assert now.tzinfo
        return self.again


@dataclass
class Leading:
    clock: FakeClock
    server: Server
    decider: Decider
    queue: WorkQueue
    store: Store
    reconciler: Reconciler
    metrics: Metrics
    turns: Turns

    def posted(self, name: str) -> list[float]:
        return [at for at, namespace in self.server.posts if namespace == f"tenant-{name}"]


def standby(
    clock: FakeClock, *tenants: str, figures: Figures | None = None, **errors: list[apierrors.ApiError]
) -> Leading:
    server = Server(clock, {f"tenant-{name}": given for name, given in errors.items()})
    store, queue, metrics, decider = Store(), WorkQueue(clock), Metrics(), Decider()
    for number, name in enumerate(tenants):
        store.caches["Tenant"].observe(tenant(name, number + 1, uid=name))
    executor = Executor(
        api=server,
        store=store,
        stores=Stores(clock),
        recorder=Recorder(server, metrics, clock, "p"),
        metrics=metrics,
        pace=Pace(clock),
        clock=clock,
    )
    turns = Turns(store, clock, budget=2)
    reconciler = Reconciler(
        queue=queue,
        store=store,
        executor=executor,
        decisions=Decisions(decider.decide, decider.requeue_after),
        turns=turns,
        metrics=metrics,
        clock=clock,
        workers=2,
        resync_seconds=600,
        figures=figures,
    )
    return Leading(clock, server, decider, queue, store, reconciler, metrics, turns)


@asynccontextmanager
async def leading(
    clock: FakeClock, *tenants: str, figures: Figures | None = None, **errors: list[apierrors.ApiError]
) -> AsyncIterator[Leading]:
    async with begun(standby(clock, *tenants, figures=figures, **errors)) as it:
        yield it


@asynccontextmanager
async def begun(it: Leading) -> AsyncIterator[Leading]:
    task = asyncio.create_task(it.reconciler.lead())
    await settle()
    yield it
    task.cancel()
    await asyncio.wait({task})


async def test_leading_begins_with_every_tenant(clock: FakeClock) -> None:
    async with leading(clock, "a", "b", "c") as it:
        assert sorted(set(it.decider.seen)) == ["a", "b", "c"]
        assert len(it.server.posts) == 3


async def test_it_has_caught_up_when_every_tenant_of_the_start_was_looked_at(clock: FakeClock) -> None:
    it = standby(clock, *"abcdefgh")

    async def caught_up() -> set[str]:
        await it.reconciler.caught_up.wait()
        return set(it.decider.seen)

    waiting = asyncio.create_task(caught_up())
    await settle()
    assert not waiting.done()
    async with begun(it):
        assert await waiting == set("abcdefgh")


async def test_without_tenants_it_has_caught_up_at_once(clock: FakeClock) -> None:
    async with leading(clock) as it:
        assert it.reconciler.caught_up.is_set()


async def test_a_standby_that_begins_to_lead_starts_with_what_changed_last(clock: FakeClock) -> None:
    it = standby(clock, "a", "b", "c", "d")
    for name in ("c", "b", "c"):
        it.reconciler.ask(name)
    async with begun(it):
        order = list(dict.fromkeys(it.decider.seen))
        assert order[:2] == ["c", "b"]
        assert sorted(order) == ["a", "b", "c", "d"]


async def test_others_have_their_turn_between_tenants_that_need_nothing(clock: FakeClock) -> None:
    """The Lease is renewed in the same event loop: starved of it, a leader loses the Lease over and over."""
    it = standby(clock, *"abcdefgh")
    for name in "abcdefgh":
        it.store.caches["Service"].observe(manifest("triton", 50, namespace=f"tenant-{name}"))
    turns: list[int] = []

    async def other() -> None:
        while len(it.decider.seen) < 8:
            turns.append(len(it.decider.seen))
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    async with begun(it):
        await beside
    assert it.server.posts == []
    assert len(set(turns)) >= 3


async def test_a_change_comes_before_the_tenants_that_are_only_compared(clock: FakeClock) -> None:
    async with leading(clock, "a", "b", "c") as it:
        before = len(it.decider.seen)
        it.reconciler.enqueue_all()
        it.reconciler.ask("c")
        await settle()
        assert it.decider.seen[before] == "c"


async def test_after_writes_a_tenant_is_looked_at_again_and_then_rests(clock: FakeClock) -> None:
    async with leading(clock, "a") as it:
        assert it.decider.seen == ["a", "a"]
        await clock.advance(500)
        assert len(it.server.posts) == 1


async def test_a_tenant_that_fails_for_ever_delays_no_other(clock: FakeClock) -> None:
    failures: list[apierrors.ApiError] = [apierrors.ServerError("x", 500) for _ in range(1000)]
    async with leading(clock, "bad", bad=failures) as it:
        await clock.advance(100)
        for number in range(50):
            it.store.caches["Tenant"].observe(tenant(f"t{number}", 1000 + number, uid=f"t{number}"))
            it.queue.add(f"t{number}")
        await settle()
        await settle()
        assert all(it.posted(f"t{number}") for number in range(50))


async def test_failures_back_off_and_success_resets(clock: FakeClock) -> None:
    failures: list[apierrors.ApiError] = [apierrors.ServerError("x", 500) for _ in range(5)]
    async with leading(clock, "a", a=failures) as it:
        await clock.advance(10)
        times = it.posted("a")
        gaps = [round(later - earlier, 4) for earlier, later in pairwise(times)]
        assert gaps == [0.005, 0.01, 0.02, 0.04, 0.08]
        assert it.queue.failures("a") == 0


async def test_a_status_that_is_refused_for_ever_backs_off_too(clock: FakeClock) -> None:
    """The pace holds statuses back; a pass that only held one back has not succeeded."""
    refused: list[apierrors.ApiError] = [apierrors.InvalidError("no", 422) for _ in range(1000)]
    async with leading(clock, bad=refused) as it:
        it.decider.statuses.add("bad")
        it.queue.add("bad")
        await clock.advance(600)
        times = it.posted("bad")
        assert len(times) < 40
        assert times[-1] - times[-2] > 30


async def test_a_store_that_never_answers_is_backed_off_from_and_told_as_no_failed_write(clock: FakeClock) -> None:
    async with leading(clock, "a") as it:
        it.decider.stores.add("a")
        it.queue.add("a")
        await clock.advance(600)
        assert 15 < len(it.server.reads) < 40
        assert it.server.reads[-1] - it.server.reads[-2] > 30
        assert it.decider.told == []


async def test_the_clock_is_heard_although_a_store_never_answers(clock: FakeClock) -> None:
    async with leading(clock, "a") as it:
        it.decider.stores.add("a")
        it.decider.again = 5
        it.queue.add("a")
        await clock.advance(600)
        assert len(it.server.reads) > 100


async def test_a_hiccup_is_not_told_and_a_lasting_failure_is(clock: FakeClock) -> None:
    failures: list[apierrors.ApiError] = [apierrors.ServerError("x", 500) for _ in range(3)]
    async with leading(clock, "a", a=failures) as it:
        await clock.advance(1)
        assert it.decider.told == []
    lasting: list[apierrors.ApiError] = [apierrors.ServerError("x", 500) for _ in range(4)]
    async with leading(clock, "a", a=lasting) as it:
        await clock.advance(1)
        assert it.decider.told == [("a", "x")]


async def test_a_refusal_is_told_at_once(clock: FakeClock) -> None:
    async with leading(clock, "a", a=[apierrors.ForbiddenError("not allowed", 403)]) as it:
        assert it.decider.told == [("a", "not allowed")]
        await clock.advance(1)
        assert len(it.posted("a")) == 2


async def test_a_lost_race_is_decided_anew_and_never_told(clock: FakeClock) -> None:
    async with leading(clock, "a", a=[apierrors.ConflictError("c", 409)]) as it:
        await clock.advance(1)
        assert len(it.posted("a")) == 2
        assert it.decider.told == []


async def test_retry_after_holds_everybody_back_and_then_work_goes_on(clock: FakeClock) -> None:
    async with leading(clock, "a", a=[apierrors.TooManyRequestsError("busy", 429, 7)]) as it:
        it.store.caches["Tenant"].observe(tenant("b", 50, uid="b"))
        it.queue.add("a")
        it.queue.add("b")
        await clock.advance(6.9)
        assert len(it.server.posts) == 1
        await clock.advance(1)
        assert (len(it.posted("a")), len(it.posted("b"))) == (2, 1)


async def test_a_bug_in_one_decision_stops_nobody(clock: FakeClock) -> None:
    async with leading(clock) as it:
        it.decider.broken.add("bad")
        it.queue.add("bad")
        it.queue.add("good")
        await settle()
        assert it.posted("good")
        given = {"outcome": "failed"}
        assert it.metrics.registry.get_sample_value("moorage_operator_reconcile_seconds_count", given) == 1


async def test_a_decision_that_time_changes_is_made_again_in_time(clock: FakeClock) -> None:
    async with leading(clock) as it:
        it.decider.again = 10
        it.queue.add("a")
        await settle()
        before = len(it.decider.seen)
        it.decider.again = None
        await clock.advance(9)
        assert len(it.decider.seen) == before
        await clock.advance(1)
        assert len(it.decider.seen) == before + 1


async def test_every_tenant_is_looked_at_once_per_period_and_not_all_at_once(clock: FakeClock) -> None:
    async with leading(clock, *(f"t{number}" for number in range(20))) as it:
        # Once more: every pass gives the others a turn, so that 20 tenants take longer than one settling.
        await settle()
        it.decider.seen.clear()
        await clock.advance(600)
        assert 20 <= len(it.decider.seen) <= 21
        it.decider.seen.clear()
        await clock.advance(60)
        assert len(it.decider.seen) < 15


async def test_tenants_are_compared_anew_a_share_at_a_time(clock: FakeClock) -> None:
    async with leading(clock, *(f"t{number}" for number in range(10))) as it:
        await settle()
        for _ in range(20):
            it.decider.seen.clear()
            await clock.advance(29)
            assert it.decider.seen == []
            await clock.advance(1)
            await settle()


def change(tenant_name: str) -> Change:
    return Change(None, Entry(tenant_name, ("", "x"), "u", 1, b"{}", b""))


async def test_a_change_that_concerns_all_asks_for_all(clock: FakeClock) -> None:
    async with leading(clock, "a", "b") as it:
        it.decider.seen.clear()
        it.reconciler.changed(change(watched.EVERY_TENANT))
        await settle()
        assert sorted(it.decider.seen) == ["a", "b"]
        it.reconciler.changed(change("b"))
        await settle()
        assert sorted(it.decider.seen) == ["a", "b", "b"]


@dataclass
class Counted:
    """Figures of one canary; what is followed is kept."""

    followed: list[tuple[str, tuple[Canary, ...]]] = field(default_factory=list)
    is_running: bool = False

    def follow(self, tenant: str, canaries: Iterable[Canary]) -> None:
        self.followed.append((tenant, tuple(canaries)))

    def tallies(self, tenant: str) -> dict[tuple[str, str], Tally]:
        return {("digits", "aaaaaaaa"): Tally(START)} if tenant == "a" else {}

    async def run(self) -> None:
        self.is_running = True
        try:
            await asyncio.Event().wait()
        finally:
            self.is_running = False


async def test_only_the_leader_counts_and_what_was_counted_is_part_of_the_world(clock: FakeClock) -> None:
    figures = Counted()
    async with leading(clock, "a", "b", figures=figures) as it:
        assert figures.is_running
        assert {tenant for tenant, _ in figures.followed} == {"a", "b"}
        assert dict(zip(it.decider.seen, it.decider.canaries, strict=True)) == {
            "a": {("digits", "aaaaaaaa"): Tally(START)},
            "b": {},
        }
    assert not figures.is_running


async def test_a_canary_that_figures_decide_about_is_followed(clock: FakeClock) -> None:
    figures = Counted()
    async with leading(clock, figures=figures) as it:
        rollout = {"canary": {"weight": 10}, "autoPromote": {}}
        model = manifest("digits", 1, namespace="tenant-a", uid="m", kind="ModelDeployment", spec={"rollout": rollout})
        held = manifest("digits-aaaaaaaa", 2, namespace="tenant-a", uid="r", kind="ControllerRevision", revision=2)
        since = {labels.CANARY_SINCE: "2030-01-01T00:00:00Z"}
        held["metadata"] |= {"annotations": since, "ownerReferences": [{"uid": "m"}]}
        it.store.caches["ModelDeployment"].observe(model)
        it.store.caches["ControllerRevision"].observe(held)
        it.queue.add("a")
        await settle()
        assert figures.followed[-1] == ("a", (Canary("digits", "aaaaaaaa", START),))


def finish(it: Leading, name: str) -> None:
    """Tell as the watch does that a tenant's roll is over."""
    cache = it.store.caches["Deployment"]
    entry = cache.get(f"tenant-{name}", "triton")
    assert entry
    change = cache.observe(rolling(entry.manifest(), is_done=True))
    assert change
    it.reconciler.changed(change)


async def test_an_upgrade_rolls_as_many_tenants_as_the_budget_says_and_the_next_when_one_is_done(
    clock: FakeClock,
) -> None:
    names = [f"t{number}" for number in range(5)]
    it = standby(clock, *names)
    it.decider.upgrades.update(names)
    async with begun(it):
        waiting = set(it.decider.upgrades)
        assert len(waiting) == 3
        (first, *_) = set(names) - waiting
        finish(it, first)
        await settle()
        assert len(it.decider.upgrades) == 2
        for name in waiting - it.decider.upgrades:
            finish(it, name)
        await settle()
        assert len(it.decider.upgrades) == 1


async def test_a_failed_upgrade_keeps_its_place_until_a_pass_succeeds(clock: FakeClock) -> None:
    it = standby(clock, "a", "b", a=[apierrors.ApiError("lost")], b=[apierrors.ApiError("lost")])
    it.decider.upgrades.update("ab")
    async with begun(it):
        assert not it.turns.may_roll("c")
        await clock.advance(1)
        assert it.turns.may_roll("c")


async def test_a_waiting_tenant_is_tried_without_any_event_too(clock: FakeClock) -> None:
    it = standby(clock, "a", "b", "c")
    it.decider.upgrades.update("abc")
    async with begun(it):
        (waiting,) = it.decider.upgrades
        for name in {*"abc"} - {waiting}:
            cache = it.store.caches["Deployment"]
            entry = cache.get(f"tenant-{name}", "triton")
            assert entry
            cache.observe(rolling(entry.manifest(), is_done=True))  # nobody is told of it
        await clock.advance(11)
        assert it.decider.upgrades == set()
