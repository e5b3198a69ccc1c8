"""The loop that joins everything: a key comes, its world is decided upon, the decision is executed.

Separate because it alone knows what each outcome means for the key: forget it, look again, or back off.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from moorage_operator.reconcile import (
    Action,
    Settings,
    World,
    canaries,
    reconcile_orphan_models,
    reconcile_tenant,
    requeue_after,
)
from moorage_operator.runtime import apierrors, watched
from moorage_operator.runtime.apply import StaleError
from moorage_operator.runtime.log import fields
from moorage_operator.runtime.turns import PERIOD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from moorage_operator.metrics import Metrics
    from moorage_operator.reconcile import Canary, Tally
    from moorage_operator.runtime.apply import Executed, Executor
    from moorage_operator.runtime.cache import Change
    from moorage_operator.runtime.clock import Clock
    from moorage_operator.runtime.queue import WorkQueue
    from moorage_operator.runtime.store import Store
    from moorage_operator.runtime.turns import Turns

TELL_AFTER = 3
"""Failures in a row after which a passing kind of failure (no answer, 5xx, 429) is told in the status. A refusal is
told at once; a hiccup shall leave no writes behind."""

RESYNC_SHARES = 20
"""Moments per period at which a share of all tenants is compared anew."""

_log = logging.getLogger(__name__)


class Decide(Protocol):
    """Decides what to write for a tenant."""

    def __call__(self, world: World, now: datetime, failure: str | None = None) -> tuple[Action, ...]:
        """Return the writes; with the message of a failed write, the statuses alone."""


@dataclass(frozen=True)
class Decisions:
    """The pure side, as the loop calls it."""

    decide: Decide
    requeue_after: Callable[[World, datetime], float | None]
    """In how many seconds time alone changes a decision."""


def decisions(settings: Settings) -> Decisions:
    """Return the real decisions: a tenant's, or those about models that have none."""

    def decide(world: World, now: datetime, failure: str | None = None) -> tuple[Action, ...]:
        if world.tenant is None:
            return reconcile_orphan_models(world, now)
        return reconcile_tenant(world, settings, now, failure)

    return Decisions(decide, requeue_after)


class Figures(Protocol):
    """What is counted of revisions on trial; ``gateways.Gateways`` is one."""

    def follow(self, tenant: str, canaries: Iterable[Canary]) -> None:
        """Take note of which canaries a tenant has now."""

    def tallies(self, tenant: str) -> dict[tuple[str, str], Tally]:
        """Return the figures of a tenant's canaries by model and revision."""

    async def run(self) -> None:
        """Count until cancelled."""


class Reconciler:
    """Works the queue's keys off with a fixed number of workers, as long as ``lead`` runs."""

    def __init__(
        self,
        *,
        queue: WorkQueue,
        store: Store,
        executor: Executor,
        decisions: Decisions,
        turns: Turns,
        metrics: Metrics,
        clock: Clock,
        workers: int,
        resync_seconds: float,
        figures: Figures | None = None,
    ) -> None:
        self._queue = queue
        self._store = store
        self._executor = executor
        self._decisions = decisions
        self._turns = turns
        self._metrics = metrics
        self._clock = clock
        self._workers = workers
        self._resync_seconds = resync_seconds
        self._figures = figures
        self._resume_at = clock.monotonic()
        self._is_leading = False
        self.caught_up = asyncio.Event()
        """Set once every tenant there was when this process began to lead has been looked at, or is about to be."""

    def changed(self, change: Change) -> None:
        """Ask for work on the tenant whose observed objects changed; of all when it concerns all."""
        if change.tenant == watched.EVERY_TENANT:
            self.enqueue_all()
        else:
            self.ask(change.tenant)
        self._wake()

    def ask(self, key: str) -> None:
        """Ask for work on a tenant that something happened to.

        A standby remembers the latest: should the leader be gone, that is where its work ended.
        """
        if self._is_leading:
            self._queue.add(key)
        else:
            self._queue.remember(key)

    def enqueue_all(self) -> None:
        """Ask for work on every tenant, behind those that something happened to."""
        for key in self._store.tenants():
            self._queue.add_behind(key)

    async def lead(self) -> None:
        """Work until cancelled; begins with every tenant, since a predecessor may have ended anywhere."""
        self._turns.begin()
        self.enqueue_all()
        self._is_leading = True
        self._mark()
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._workers):
                    group.create_task(self._work())
                group.create_task(self._resync())
                group.create_task(self._wake_regularly())
                if self._figures is not None:
                    group.create_task(self._figures.run())
        finally:
            self._is_leading = False

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                await self._wait_out()
                await self.reconcile(key)
            finally:
                self._queue.done(key)
            self._mark()
            # A pass that writes nothing waits for nothing. A thousand of them in a row would let no answer in and no
            # renewal of the Lease out: it is lost, taken again, and everything begins anew, for ever.
            await asyncio.sleep(0)

    def _mark(self) -> None:
        if not self._queue:
            self.caught_up.set()

    async def _wait_out(self) -> None:
        """Wait as long as the API server asked for when it shed load; it meant all of us."""
        pause = self._resume_at - self._clock.monotonic()
        if pause > 0:
            await self._clock.sleep(pause)

    async def reconcile(self, key: str) -> None:
        """Reconcile one tenant and say when to look at it again; no failure of one tenant leaves this function."""
        began = self._clock.monotonic()
        outcome = "failed"
        try:
            outcome = await self._pass(key)
        except StaleError as error:
            outcome = "stale"
            delay = self._queue.add_failed(key)
            _log.info("world moved on", extra=fields(tenant=key, reason=str(error), delay=delay))
        except apierrors.ApiError as error:
            outcome = "refused" if _is_refusal(error) else "failed"
            await self._failed(key, error)
        except Exception:  # noqa: BLE001 - a bug in one tenant's decision must not stop the others'
            delay = self._queue.add_failed(key)
            _log.exception("reconciling failed", extra=fields(tenant=key, delay=delay))
        finally:
            self._metrics.reconciles.labels(outcome).observe(self._clock.monotonic() - began)

    async def _pass(self, key: str) -> str:
        """Decide and execute once; after writes look again, since their answers may allow the next step."""
        world, now = self._world(key), self._clock.now()
        actions = self._decisions.decide(world, now, None)
        self._turns.decided(key, actions)
        executed = await self._executor.execute(actions)
        self._turns.executed(key)
        self._wake()
        self._settle(key, executed)
        self._come_back(key, executed.deferred)
        self._come_back(key, self._decisions.requeue_after(world, now))
        if not executed.writes:
            return "failed" if executed.store_failure else "unchanged"
        _log.info("reconciled", extra=fields(tenant=key, writes=executed.writes))
        self._queue.add(key)
        return "written"

    def _settle(self, key: str, executed: Executed) -> None:
        """Forget a tenant's failures, or back off from its vector store, which the status says in words of its own."""
        if executed.store_failure:
            delay = self._queue.add_failed(key)
            _log.warning("store failed", extra=fields(tenant=key, error=executed.store_failure, delay=delay))
        elif not executed.deferred:
            self._queue.forget(key)

    def _world(self, key: str) -> World:
        """Return everything observed of a tenant, and ask for the figures that its rollouts need."""
        world = replace(self._store.world(key), may_roll=self._turns.may_roll(key))
        if self._figures is None:
            return world
        self._figures.follow(key, canaries(world))
        tallies = self._figures.tallies(key)
        return replace(world, canaries=tallies) if tallies else world

    def _wake(self) -> None:
        """Ask for work on the next tenant that waits for its turn, if it has come; the end of its pass asks again."""
        tenant = self._turns.next()
        if tenant is not None:
            self.ask(tenant)

    async def _wake_regularly(self) -> None:
        while True:
            await self._clock.sleep(PERIOD)
            self._wake()

    def _come_back(self, key: str, seconds: float | None) -> None:
        if seconds:
            self._queue.add_after(key, seconds)

    async def _failed(self, key: str, error: apierrors.ApiError) -> None:
        """Back off from a failure, and tell it in the status when it is more than a hiccup."""
        if _is_refusal(error) or self._queue.failures(key) >= TELL_AFTER:
            await self._tell(key, error)
        delay = self._queue.add_failed(key)
        if isinstance(error, apierrors.TooManyRequestsError):
            self._resume_at = self._clock.monotonic() + error.retry_after
        _log.warning("write failed", extra=fields(tenant=key, error=str(error), delay=delay))

    async def _tell(self, key: str, error: apierrors.ApiError) -> None:
        world, now = self._world(key), self._clock.now()
        if world.tenant is None:
            return
        try:
            await self._executor.execute(self._decisions.decide(world, now, str(error)))
        except (apierrors.ApiError, StaleError) as second:
            _log.info("failure not told", extra=fields(tenant=key, error=str(second)))

    async def _resync(self) -> None:
        """Compare every tenant anew once per period, spread over the period so that no burst comes of it.

        A few at a time: each takes half the processor's time of one that is compared alone, from cold caches.
        """
        while True:
            for key in self._store.tenants():
                share = random.randrange(1, RESYNC_SHARES + 1) / RESYNC_SHARES  # noqa: S311 - spreads load only
                self._queue.add_after(key, share * self._resync_seconds)
            await self._clock.sleep(self._resync_seconds)


def _is_refusal(error: apierrors.ApiError) -> bool:
    """Tell whether repeating the write will not help by itself."""
    return isinstance(error, apierrors.ForbiddenError | apierrors.InvalidError | apierrors.UnauthorizedError)
