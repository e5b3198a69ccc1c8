"""Decide what to do next for each revision: the agent's whole policy, without any I/O or clock.

Separate so that tables can test it. Called by ``sync`` with what was observed; the same observation always gives
the same steps, so a step that was lost is decided again.

A revision that never proved itself is kept out of the repository while Triton is down: Triton loads what lies
there unattended, and one model that ends the process would then keep every other from serving.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from moorage_agent import triton
from moorage_agent.failures import Failure
from moorage_agent.repository import OnDisk
from moorage_crds import labels
from moorage_crds.modeldeployment import ReplicaRevision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moorage_agent.revisions import Revision
    from moorage_agent.triton import TritonModel

DRAIN_SECONDS = 30.0
"""How long a draining revision is kept after it was first seen draining."""

STARTING_SECONDS = 60.0
"""How long a Triton that does not answer may be starting: what it loads then must not vanish under it, since a Python
model whose files go away in mid-load stays LOADING for ever, and Triton never answers."""

COMPARE_SECONDS = 30.0
"""How often disk, index and stamps are compared when nothing happens."""

_POLL_SECONDS = 1.0
_MAX_MESSAGE = 4096


class Step(StrEnum):
    """What can be done for one revision."""

    FETCH = "fetch"
    """Bring its files into the store, out of Triton's sight."""
    PLACE = "place"
    """Move it into the repository."""
    WITHDRAW = "withdraw"
    """Move it out of the repository."""
    WARM = "warm"
    """Let it answer its warm-up requests."""
    LOAD = "load"
    """Place it, let Triton load it and read the stamp back."""
    UNLOAD = "unload"
    """Let Triton unload it."""
    DELETE = "delete"
    """Remove its files."""


_RISKY = (Step.LOAD, Step.WARM)
"""Steps that run what the model brings, and may end Triton."""


@dataclass(frozen=True)
class Seen:
    """One look at disk and Triton."""

    disk: OnDisk = field(default_factory=OnDisk)
    """What the store holds."""
    triton: Mapping[str, TritonModel] | None = None
    """What Triton knows, by Triton name; None when it does not answer."""


@dataclass(frozen=True)
class Memory:
    """What the agent remembers between looks; losing it costs repeated work and nothing else."""

    failures: Mapping[str, Failure] = field(default_factory=dict)
    """Last failure by Triton name."""
    draining: Mapping[str, float] = field(default_factory=dict)
    """When a draining revision was first seen so, in monotonic seconds."""
    proven: frozenset[str] = frozenset()
    """Revisions that this process has seen ready with their own stamp."""
    warmed: frozenset[str] = frozenset()
    """Revisions that have answered their warm-up requests since Triton started."""
    busy: Mapping[str, Step] = field(default_factory=dict)
    """Steps under way."""
    silent_since: float = float("-inf")
    """Since when Triton, which may run, has not answered, in monotonic seconds."""


def decide(desired: Mapping[str, Revision], seen: Seen, memory: Memory, now: float) -> dict[str, Step]:
    """Return the next step of each revision that needs one, by Triton name."""
    names = {*desired, *seen.disk.staged, *seen.disk.placed, *(seen.triton or {})} - set(memory.busy)
    steps = {name: _step(name, desired.get(name), seen, memory, now) for name in sorted(names)}
    for name in _called_by_kept(desired, memory, now) - desired.keys():
        steps.pop(name, None)  # Its model was deleted; what is built on it serves on.
    return _suspects_alone({name: step for name, step in steps.items() if step}, memory)


def is_kept(revision: Revision | None, memory: Memory, now: float) -> bool:
    """Tell whether a revision shall stay: it is wanted, or draining and not yet for long enough."""
    if revision is None or revision.intent is None:
        return False
    if revision.intent == labels.WANTED:
        return True
    return now < memory.draining.get(revision.triton_name, now) + DRAIN_SECONDS


def _called_by_kept(desired: Mapping[str, Revision], memory: Memory, now: float) -> set[str]:
    """Return the Triton names that kept revisions call."""
    kept = (revision for revision in desired.values() if is_kept(revision, memory, now))
    return {name for revision in kept for name in revision.called.values()}


def is_serving(revision: Revision, seen: Seen) -> bool:
    """Tell whether Triton serves a revision with its own stamp."""
    model = (seen.triton or {}).get(revision.triton_name)
    return model is not None and model.state == triton.READY and model.stamp == revision.hash


def is_answering(revision: Revision, seen: Seen, memory: Memory) -> bool:
    """Tell whether a revision may take traffic: Triton serves it, and what warm-up it has is over."""
    return is_serving(revision, seen) and not _is_cold(revision.triton_name, seen, memory)


def _is_cold(name: str, seen: Seen, memory: Memory) -> bool:
    return name in seen.disk.warming and name not in memory.warmed


def failure_of(revision: Revision, memory: Memory) -> Failure | None:
    """Return the failure that still counts: one of this very version of the ControllerRevision."""
    failure = memory.failures.get(revision.triton_name)
    return failure if failure and failure.version == revision.version else None


def _step(name: str, revision: Revision | None, seen: Seen, memory: Memory, now: float) -> Step | None:
    if revision is None or not is_kept(revision, memory, now):
        return _remove(name, seen, is_starting=now < memory.silent_since + STARTING_SECONDS)
    if revision.intent == labels.DRAINING:
        return None
    failure = failure_of(revision, memory)
    waiting = failure is not None and now < failure.retry_at
    if name not in seen.disk.staged | seen.disk.placed or _is_another(revision, seen):
        return None if waiting else Step.FETCH
    if seen.triton is None:
        return _without_triton(name, revision, seen, memory, failure)
    return _with_triton(name, revision, seen, memory, waiting=waiting)


def _remove(name: str, seen: Seen, *, is_starting: bool) -> Step | None:
    """Unload first: Triton must not lose the files of what it serves. Without a Triton the files are all there is."""
    if seen.triton is None and is_starting and name in seen.disk.placed:
        return None
    state = seen.triton[name].state if seen.triton and name in seen.triton else ""
    if state == triton.READY:
        return Step.UNLOAD
    if state == triton.UNLOADING:
        return None
    return Step.DELETE if name in seen.disk.staged | seen.disk.placed else None


def _without_triton(name: str, revision: Revision, seen: Seen, memory: Memory, failure: Failure | None) -> Step | None:
    trusted = (revision.promoted or name in memory.proven) and failure is None
    if name in seen.disk.placed:
        return None if trusted else Step.WITHDRAW
    return Step.PLACE if trusted else None


def _with_triton(name: str, revision: Revision, seen: Seen, memory: Memory, *, waiting: bool) -> Step | None:
    model = (seen.triton or {}).get(name)
    state = model.state if model else ""
    if state == triton.UNLOADING or (state == triton.LOADING and not waiting):
        return None
    if model and state == triton.READY:
        return _with_ready(name, revision, model, seen, is_cold=_is_cold(name, seen, memory), waiting=waiting)
    if waiting:
        return Step.WITHDRAW if name in seen.disk.placed else None
    return Step.LOAD if _is_recorded(revision, seen) and not _absent(revision, seen) else None


def _absent(revision: Revision, seen: Seen) -> list[str]:
    """Return the models that a revision calls and Triton does not serve: until it does, a load would fail."""
    served = seen.triton or {}
    return [
        model for model, name in revision.called.items() if name not in served or served[name].state != triton.READY
    ]


def _is_another(revision: Revision, seen: Seen) -> bool:
    """Tell whether a folder was staged that another replica, whose digest was recorded first, found different."""
    found = seen.disk.digests.get(revision.triton_name) if revision.triton_name in seen.disk.staged else None
    return found is not None and revision.digest not in (None, found)


def _is_recorded(revision: Revision, seen: Seen) -> bool:
    """Tell whether a folder's digest is on record, before which no replica may serve it: the first may be another."""
    return revision.digest is not None or revision.triton_name not in seen.disk.digests


def _with_ready(
    name: str, revision: Revision, model: TritonModel, seen: Seen, *, is_cold: bool, waiting: bool
) -> Step | None:
    if model.stamp not in (None, revision.hash):
        return None if waiting else Step.UNLOAD
    if name not in seen.disk.placed:
        return Step.PLACE
    if model.stamp is None or not is_cold:
        return None
    return Step.UNLOAD if waiting else Step.WARM


def _suspects_alone(steps: dict[str, Step], memory: Memory) -> dict[str, Step]:
    """Let a revision that may have ended Triton load with no other, so that the next end is its own."""
    suspects = {name for name, failure in memory.failures.items() if failure.crashes}
    loading = {name for name, step in memory.busy.items() if step in _RISKY}
    loads = [name for name, step in steps.items() if step in _RISKY]
    others = [name for name in loads if name not in suspects]
    if loading & suspects:
        allowed: list[str] = []
    elif others or loading:
        allowed = others
    else:
        allowed = loads[:1]
    return {name: step for name, step in steps.items() if step not in _RISKY or name in allowed}


State = Literal["Fetching", "Loading", "Loaded", "FetchFailed", "LoadFailed", "Unloading"]


def missing(revision: Revision, desired: Mapping[str, Revision], seen: Seen, memory: Memory) -> str | None:
    """Return why a model that a revision calls will not be there, None where it will or is."""
    if seen.triton is None:
        return None
    for model in _absent(revision, seen):
        called = desired.get(revision.called[model])
        if called is None or called.intent is None:
            return f"revision {revision.needs[model]} of model {model} is not held any more"
        if failure := failure_of(called, memory):
            return f"model {model} is not loaded: {failure.message}"
    return None


def state(
    revision: Revision, seen: Seen, memory: Memory, now: float, desired: Mapping[str, Revision] | None = None
) -> ReplicaRevision | None:
    """Return what to report of a revision, None when there is nothing to say."""
    said = _state(revision, seen, memory, now)
    if said and said.state == "Loading" and (lacking := missing(revision, desired or {}, seen, memory)):
        said = _report(revision, "LoadFailed", lacking[:_MAX_MESSAGE], "DependencyMissing")
    digest = seen.disk.digests.get(revision.triton_name)
    return said.model_copy(update={"source_digest": digest}) if said and digest else said


def _state(revision: Revision, seen: Seen, memory: Memory, now: float) -> ReplicaRevision | None:
    name = revision.triton_name
    if not is_kept(revision, memory, now):
        model = (seen.triton or {}).get(name)
        held = model is not None and model.state in (triton.READY, triton.UNLOADING)
        return _report(revision, "Unloading") if held else None
    if is_answering(revision, seen, memory):
        return _report(revision, "Loaded")
    if revision.intent == labels.DRAINING:
        return None
    if failure := failure_of(revision, memory):
        return _report(revision, failure.state, failure.message[:_MAX_MESSAGE], failure.reason)
    return _report(revision, "Loading" if name in seen.disk.staged | seen.disk.placed else "Fetching")


def _report(revision: Revision, word: State, message: str | None = None, reason: str | None = None) -> ReplicaRevision:
    return ReplicaRevision(name=revision.hash, state=word, reason=reason, message=message)


def is_startable(desired: Mapping[str, Revision], seen: Seen, memory: Memory, *, patient: bool) -> bool:
    """Tell whether Triton may start: everything wanted is in place or was tried.

    Revisions that were never promoted serve nobody yet: once patience has ended, Triton starts without them.
    """
    return all(
        _is_attempted(revision, seen, memory)
        for revision in desired.values()
        if revision.intent == labels.WANTED and (revision.promoted or patient)
    )


def _is_attempted(revision: Revision, seen: Seen, memory: Memory) -> bool:
    name = revision.triton_name
    if failure_of(revision, memory) or name in seen.disk.placed:
        return True
    return name in seen.disk.staged and not revision.promoted


def wake_after(desired: Mapping[str, Revision], seen: Seen, memory: Memory, now: float) -> float:
    """Return the seconds until the next look is due, if nothing happens before."""
    if seen.triton is None or any(_is_moving(model, desired.get(name)) for name, model in seen.triton.items()):
        return _POLL_SECONDS
    retries = (failure.retry_at for failure in memory.failures.values())
    drains = (since + DRAIN_SECONDS for since in memory.draining.values())
    due = min((at for at in (*retries, *drains) if at > now), default=now + COMPARE_SECONDS)
    return min(due - now, COMPARE_SECONDS)


def _is_moving(model: TritonModel, revision: Revision | None) -> bool:
    """Tell whether a model is about to change by itself. One that loads is not: our own call tells its end."""
    if model.state == triton.READY:
        return revision is not None and revision.intent is not None and model.stamp is None
    return model.state == triton.UNLOADING
