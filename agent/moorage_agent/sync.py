"""The loop: look, decide, act, report; again when something changed and at the latest after 30 seconds.

Separate from ``decide`` because this is all I/O and time. Each step runs as its own task: a slow download or a
load that hangs holds up its own revision alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from moorage_agent import decide, warmup
from moorage_agent.decide import Memory, Seen, Step
from moorage_agent.errors import TritonLostError, TritonRefusedError, TritonUnavailableError, WarmupError
from moorage_agent.failures import FETCH_FAILED, LOAD_FAILED, Failure, FailureState, failed, reason_of
from moorage_agent.staging import stage
from moorage_crds import labels
from moorage_crds.errors import MoorageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
    from typing import Any

    from moorage_agent.metrics import Metrics
    from moorage_agent.report import Entry
    from moorage_agent.repository import Repository
    from moorage_agent.revisions import Revision
    from moorage_agent.sources import Fetcher
    from moorage_agent.triton import TritonModel

_FETCHES = 4
_LOADS = 4
_PATIENCE_SECONDS = 60.0
"""How long Triton's start waits for revisions that serve nobody yet."""
_API_PATIENCE_SECONDS = 20.0
"""How long Triton's start waits for the API server when the disk holds revisions."""
_NEVER = float("-inf")
_STUCK_SECONDS = 120.0

log = logging.getLogger(__name__)


class Server(Protocol):
    """The Triton of this pod; ``triton.Triton`` is one."""

    async def models(self, stamped: Iterable[str]) -> dict[str, TritonModel]:
        """Return what Triton knows; raises TritonUnavailableError."""

    async def stamp(self, name: str) -> str | None:
        """Return the stamp that a model is served with."""

    async def config(self, name: str) -> Any:
        """Return the configuration that a model is served with; raises as ``load``."""

    def infer(self, request: Any) -> AsyncIterator[Any]:
        """Yield every answer to a request; raises as ``load``."""

    async def load(self, name: str) -> None:
        """Load a model; raises TritonRefusedError or TritonUnavailableError."""

    async def unload(self, name: str) -> None:
        """Let a model go; raises as ``load``."""

    async def lost(self) -> None:
        """Return when a connection has broken."""


class Desired(Protocol):
    """Where wanted revisions come from; ``watch.RevisionWatch`` is one."""

    @property
    def desired(self) -> Mapping[str, Revision] | None:
        """Return the newest known revisions by Triton name, None when none were known yet."""


class Reports(Protocol):
    """Where states go; ``report.Reporter`` is one."""

    def submit(self, entries: Mapping[str, Entry]) -> None:
        """Take over the newest state of every model."""


class Sync:
    """Makes disk and Triton hold what is desired."""

    def __init__(
        self,
        repository: Repository,
        server: Server,
        sources: Fetcher,
        *,
        reports: Reports,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._repository = repository
        self._server = server
        self._sources = sources
        self._reports = reports
        self._metrics = metrics
        self._clock = clock
        self._changed = asyncio.Event()
        self._failures: dict[str, Failure] = {}
        self._draining: dict[str, float] = {}
        self._proven: set[str] = set()
        self._warmed: set[str] | None = None
        """Warm revisions; None until it is known whether Triton was there before this process."""
        self._busy: dict[str, Step] = {}
        self._finished: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._gates = {Step.FETCH: asyncio.Semaphore(_FETCHES), Step.LOAD: asyncio.Semaphore(_LOADS)}
        self._started = self._last_look = clock()
        self._is_startable = False
        self._silent_since = _NEVER

    @property
    def is_startable(self) -> bool:
        """Tell whether Triton may start; once it may, it stays so."""
        return self._is_startable

    @property
    def is_alive(self) -> bool:
        """Tell whether the loop still turns."""
        return self._clock() - self._last_look < _STUCK_SECONDS

    def wake(self) -> None:
        """Look again at once."""
        self._changed.set()

    async def run(self, source: Desired) -> None:
        """Turn for ever."""
        watching = asyncio.create_task(self._wake_when_lost())
        try:
            while True:
                self._changed.clear()
                pause = await self.look(source.desired)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._changed.wait()
        finally:
            for task in (watching, *self._tasks):
                task.cancel()

    async def look(self, desired: Mapping[str, Revision] | None) -> float:
        """Look once, start what is to be done, report; return the seconds until the next look is due."""
        for name in self._finished:
            self._busy.pop(name, None)
        self._finished.clear()
        seen = await self._observe(desired or {})
        self._last_look = now = self._clock()
        if desired is None:
            self._start_without_api(seen, now)
            return 1.0
        self._remember(desired, seen, now)
        memory = self._memory()
        for name, step in decide.decide(desired, seen, memory, now).items():
            self._begin(name, step, desired.get(name))
        self._report(desired, seen, memory, now)
        patient = now - self._started < _PATIENCE_SECONDS
        self._is_startable = self._is_startable or decide.is_startable(desired, seen, memory, patient=patient)
        pause = decide.wake_after(desired, seen, memory, now)
        return pause if self._is_startable else min(pause, 1.0)

    async def _observe(self, desired: Mapping[str, Revision]) -> Seen:
        disk = await asyncio.to_thread(self._repository.on_disk)
        try:
            stamped = [name for name, revision in desired.items() if revision.intent]
            models = await self._server.models(stamped)
        except TritonUnavailableError as error:
            log.debug("%s", error)
            self._metrics.triton_up.set(0)
            self._warmed = set()
            return Seen(disk)
        self._metrics.triton_up.set(1)
        return Seen(disk, models)

    def _start_without_api(self, seen: Seen, now: float) -> None:
        if seen.disk.placed and now - self._started >= _API_PATIENCE_SECONDS:
            self._is_startable = True

    def _remember(self, desired: Mapping[str, Revision], seen: Seen, now: float) -> None:
        """Keep what the next decision needs, and forget what no longer exists."""
        if seen.triton is not None or not self._is_startable:
            self._silent_since = _NEVER
        elif self._silent_since == _NEVER:
            self._silent_since = now
        draining = {name for name, revision in desired.items() if revision.intent == labels.DRAINING}
        self._draining = {name: self._draining.get(name, now) for name in draining}
        serving = {name: revision for name, revision in desired.items() if decide.is_serving(revision, seen)}
        if self._warmed is None:  # Who has served through the end of an agent serves on.
            self._warmed = {name for name, revision in serving.items() if revision.promoted}
        self._warmed &= serving.keys()
        memory = self._memory()
        answering = {name for name, revision in serving.items() if decide.is_answering(revision, seen, memory)}
        self._proven = (self._proven | answering) & desired.keys()
        kept = desired.keys() - answering
        self._failures = {name: failure for name, failure in self._failures.items() if name in kept}

    def _memory(self) -> Memory:
        return Memory(
            failures=dict(self._failures),
            draining=dict(self._draining),
            proven=frozenset(self._proven),
            warmed=frozenset(self._warmed or ()),
            busy=dict(self._busy),
            silent_since=self._silent_since,
        )

    def _report(self, desired: Mapping[str, Revision], seen: Seen, memory: Memory, now: float) -> None:
        entries: dict[str, Entry] = {revision.model: () for revision in desired.values()}
        states: Counter[str] = Counter()
        for _, revision in sorted(desired.items()):
            if said := decide.state(revision, seen, memory, now, desired):
                entries[revision.model] = (*entries[revision.model], said)
                states[said.state] += 1
        self._reports.submit(entries)
        self._metrics.revisions.clear()
        for word, count in states.items():
            self._metrics.revisions.labels(word).set(count)

    def _begin(self, name: str, step: Step, revision: Revision | None) -> None:
        self._busy[name] = step
        task = asyncio.create_task(self._act(name, step, revision), name=f"{step} {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _act(self, name: str, step: Step, revision: Revision | None) -> None:
        """Carry out one step and remember its failure; the next look sees what came of it."""
        try:
            async with self._gates.get(step, contextlib.nullcontext()):
                await self._timed(step, self._step(name, step, revision))
            log.info("%s of %s done", step, name)
        except Exception as error:  # noqa: BLE001 # one revision must never end the loop of all others
            self._metrics.steps.labels(step, "failed").inc()
            self._note(name, step, revision, error)
        finally:
            self._finished.add(name)
            self.wake()

    async def _timed(self, step: Step, work: Coroutine[Any, Any, None]) -> None:
        started = self._clock()
        await work
        self._metrics.seconds.labels(step).observe(self._clock() - started)
        self._metrics.steps.labels(step, "done").inc()

    async def _step(self, name: str, step: Step, revision: Revision | None) -> None:
        match step:
            case Step.FETCH if revision:
                await stage(revision, self._sources, self._repository)
            case Step.LOAD if revision:
                await self._load(revision)
            case Step.WARM:
                await self._warm(name)
            case Step.PLACE:
                await asyncio.to_thread(self._repository.place, name)
            case Step.WITHDRAW:
                await asyncio.to_thread(self._repository.withdraw, name)
            case Step.UNLOAD:
                await self._server.unload(name)
            case Step.DELETE:
                await asyncio.to_thread(self._repository.delete, name)
            case Step.FETCH | Step.LOAD:
                raise AssertionError(f"{step} of {name} was decided without a revision")

    async def _load(self, revision: Revision) -> None:
        name = revision.triton_name
        if name not in (await asyncio.to_thread(self._repository.on_disk)).placed:
            await asyncio.to_thread(self._repository.place, name)
        await self._server.load(name)
        stamp = await self._server.stamp(name)
        if stamp not in (None, revision.hash):
            raise TritonRefusedError(f"Triton serves revision {stamp!r} under the name of {revision.hash}")

    async def _warm(self, name: str) -> None:
        """Send the warm-up requests one after the other; raises WarmupError for an answer that is none."""
        text, folder = await asyncio.to_thread(self._repository.warmup, name)
        config = await self._server.config(name)
        for sample, request in await asyncio.to_thread(lambda: list(warmup.requests(text, folder, name, config))):
            try:
                async for answer in self._server.infer(request):
                    if wrong := warmup.problem(answer, config):
                        raise WarmupError(f"warm-up {sample!r}: {wrong}")
            except TritonRefusedError as error:
                raise WarmupError(f"warm-up {sample!r}: {error}") from error
        self._set_warm(name)

    def _set_warm(self, name: str) -> None:
        self._warmed = (self._warmed or set()) | {name}

    def _note(self, name: str, step: Step, revision: Revision | None, error: Exception) -> None:
        """Remember a failure where the revision may be to blame; anything else is decided again at the next look."""
        known = isinstance(error, MoorageError | OSError)
        log.warning("%s of %s failed: %s", step, name, error, exc_info=None if known else error)
        if revision is None or step not in (Step.FETCH, Step.LOAD, Step.WARM):
            return
        if step is Step.WARM and revision.promoted:
            if not isinstance(error, TritonUnavailableError):
                self._set_warm(name)  # It has proven itself before: cold is better than not at all.
            return
        crashed = isinstance(error, TritonLostError)
        if isinstance(error, TritonUnavailableError) and not crashed:
            return
        word: FailureState = FETCH_FAILED if step is Step.FETCH else LOAD_FAILED
        message = str(error) if known else f"unexpected {type(error).__name__}"
        previous = self._failures.get(name)
        self._failures[name] = failed(
            previous, revision.version, word, message, self._clock(), crashed=crashed, reason=reason_of(error)
        )

    async def _wake_when_lost(self) -> None:
        while True:
            await self._server.lost()
            log.warning("the connection to Triton broke")
            self.wake()
