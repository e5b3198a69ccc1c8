"""One operator's whole run on a fresh control plane, in the order in which a cluster would see it.

Separate because the order matters: memory is read before and after the load, and nothing is broken before what must
not write has been counted.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from bench.operators import drift, failover, plane, rest, restart, tenants
from bench.operators.converge import Converged, converge
from bench.operators.driver import Driver, driving
from bench.operators.subject import Kind, Subject
from moorage_operator.runtime import resources

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.operators.counts import Counts
    from bench.operators.floor import Floor

Record = dict[str, Any]


@dataclass(frozen=True)
class Load:
    """How much of what."""

    tenants: int
    models: int
    """Of each tenant."""
    rest_seconds: float
    samples: int
    """Children broken of each kind, for each way of breaking."""
    patience: float
    """Seconds after which a broken child counts as never repaired."""


@dataclass
class _Course:
    """What the steps of a run share."""

    driver: Driver
    start: Callable[[str], Subject]
    load: Load
    subject: Subject
    say: Callable[[str], None]

    @property
    def names(self) -> list[str]:
        return tenants.tenant_names(self.load.tenants)


async def run(kind: Kind, load: Load, folder: Path, floor: Floor, say: Callable[[str], None]) -> Record:
    """Run everything; returns the record of it."""
    with plane.running(folder / "plane") as control:
        kubeconfig = plane.operators_kubeconfig(control, folder) if kind.has_rights_of_its_own else control.kubeconfig
        async with AsyncExitStack() as stack:
            driver = await stack.enter_async_context(driving(control))

            def start(name: str) -> Subject:
                started = Subject.start(kind, folder, kubeconfig, name)
                stack.callback(started.kill)
                return started

            course = _Course(driver, start, load, start("operator-0"), say)
            return await _steps(course, kind, floor)


async def _steps(course: _Course, kind: Kind, floor: Floor) -> Record:
    load = course.load
    record: Record = {"tenants": load.tenants, "modelsPerTenant": load.models, "childrenPerTenant": floor.children}
    record |= await _come_up(course, kind, floor)
    record["touch"] = _requests(await _told(course, "touch every tenant", rest.touch(course.driver, course.names)))
    record["restart"] = await _restart(course)
    record["drift"] = await _drift(course)
    if kind.has_standby:
        record["failoverSeconds"] = await _failover(course)
    record["rest"] = await _rest(course)
    return record


async def _come_up(course: _Course, kind: Kind, floor: Floor) -> Record:
    await (restart.leading(course.subject, 0) if kind.has_standby else course.subject.calm())
    await course.subject.calm()
    record: Record = {"memoryMiB": {"empty": _rounded(course.subject.resident_mib)}}
    wanted = [tenants.tenant(name) for name in course.names]
    made = await _told(course, "make tenants", converge(course.driver, resources.TENANT, wanted))
    record["converge"] = {"tenants": _converged(made, floor)}
    if course.load.models:
        models = [model for name in course.names for model in tenants.models(name, course.load.models)]
        made = await _told(course, "make models", converge(course.driver, resources.MODEL_DEPLOYMENT, models))
        record["converge"]["models"] = _converged(made, floor)
    await course.subject.calm()
    record["memoryMiB"] |= {
        "full": _rounded(course.subject.resident_mib),
        "fullPeak": _rounded(course.subject.peak_mib),
    }
    record["cpuSecondsToConverge"] = _rounded(course.subject.cpu_seconds)
    return record


async def _restart(course: _Course) -> Record:
    course.say("restart")
    again = partial(course.start, "operator-1")
    course.subject, found = await restart.restart(course.driver, course.subject, again, course.load.tenants)
    return {
        "seconds": _rounded(found.seconds),
        "cpuSeconds": _rounded(found.cpu_seconds),
        "stopSeconds": _rounded(found.stop_seconds),
        "memoryMiB": _rounded(found.resident_mib),
        "memoryPeakMiB": _rounded(found.peak_mib),
        **_requests(found.requests),
    }


async def _drift(course: _Course) -> Record:
    load = course.load
    edits = await _told(course, "edit children", drift.edits(course.driver, load.samples, load.patience))
    deletions = await _told(course, "delete children", drift.deletions(course.driver, load.samples, load.patience))
    await course.driver.settle()
    return {
        "edit": {kind: found.record() for kind, found in edits.items()},
        "delete": {kind: found.record() for kind, found in deletions.items()},
    }


async def _failover(course: _Course) -> Record:
    standby = course.start("operator-2")
    await restart.synced(standby, course.load.tenants)
    crash = await _told(course, "kill the leader", failover.crash(course.driver, course.subject))
    last = course.start("operator-3")
    await restart.synced(last, course.load.tenants)
    rollout = await _told(course, "roll the leader out", failover.rollout(course.driver, standby))
    course.subject = last
    await course.driver.settle()
    return {"crash": _rounded(crash), "rollout": _rounded(rollout)}


async def _rest(course: _Course) -> Record:
    await course.subject.calm()
    what = f"rest for {course.load.rest_seconds:.0f} s"
    found = await _told(course, what, rest.rest(course.driver, course.subject, course.load.rest_seconds))
    return {"seconds": found.seconds, "millicores": _rounded(found.millicores), **_requests(found.requests)}


async def _told(course: _Course, what: str, work: Any) -> Any:
    course.say(what)
    return await work


def _converged(made: Converged, floor: Floor) -> Record:
    """Return the record; the floor is the time of the operator's writes and of the objects' own creation."""
    at_least = (made.requests.writes + made.objects) / floor.children_per_second
    return {
        "objects": made.objects,
        "seconds": _rounded(made.seconds),
        "floorSeconds": _rounded(at_least),
        "timesFloor": _rounded(made.seconds / at_least),
        "latencySeconds": made.latency.record(),
        "writesPerObject": _rounded(made.requests.writes / made.objects),
        "getsPerObject": _rounded(made.requests.gets / made.objects),
        **_requests(made.requests),
    }


def _requests(counts: Counts) -> Record:
    return {
        "writes": counts.writes,
        "gets": counts.gets,
        "lists": counts.lists,
        "conflicts": counts.conflicts,
        "refusals": counts.refusals,
        "events": counts.events,
        "requests": counts.table(),
    }


def _rounded(value: float) -> float:
    return round(value, 2)
