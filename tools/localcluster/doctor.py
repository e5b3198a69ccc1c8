"""Judge whether a local cluster can run on this machine, before anything is changed.

Separate from the facts it judges, so that every judgment is a pure function: each problem says what was
found and what to do about it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from localcluster.packages import INSTALL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from localcluster.facts import Facts
    from localcluster.layout import ClusterLayout

PYTHON = (3, 11)
GO = (1, 26)
NODE = (20,)
MEMORY_GIB = 6.0
"""What the cluster, the product and two tenants' stacks take, with room for builds."""
DISK_GIB = 20.0
"""Go's caches take 13 GB, images and their layers the rest."""
START_SECONDS = 15

_FIRST_IMAGES_SECONDS = 180


class Weight(Enum):
    """How bad a finding is."""

    GOOD = "ok"
    NOTE = "note"
    PROBLEM = "PROBLEM"


@dataclass(frozen=True)
class Finding:
    """One thing the doctor has to say."""

    weight: Weight
    text: str

    @property
    def line(self) -> str:
        """Return the line a person reads."""
        return f"{self.weight.value:<8} {self.text}"


def judge(facts: Facts, layout: ClusterLayout) -> list[Finding]:
    """Return everything worth saying about this machine."""
    return [*_programs(facts), *_machine(facts), *_network(facts, layout), *_outlook(facts)]


def problems(findings: Sequence[Finding]) -> list[Finding]:
    """Return what stands in the way."""
    return [one for one in findings if one.weight is Weight.PROBLEM]


def minutes(facts: Facts) -> int:
    """Return how long the first start will take, rounded up to whole minutes."""
    building = sum(one.seconds for one in facts.missing_tools)
    installing = INSTALL_SECONDS if facts.missing_packages else 0
    first_images = _FIRST_IMAGES_SECONDS if building else 0
    return math.ceil((building + installing + first_images + START_SECONDS) / 60)


def _programs(facts: Facts) -> Iterator[Finding]:
    wanted = (("Python", facts.python, PYTHON), ("Go", facts.go, GO), ("Node.js", facts.node, NODE))
    for name, found, least in wanted:
        good = found >= least
        yield _finding(good, f"{name} {_dotted(found)}", f"{_dotted(least)} or later is needed; install it")


def _machine(facts: Facts) -> Iterator[Finding]:
    linux = facts.system == "Linux"
    yield _finding(linux, f"system {facts.system}", "the local cluster needs Linux; use the provider 'kind' instead")
    user = "root" if facts.is_root else "an ordinary user"
    yield _finding(facts.is_root, f"running as {user}", "namespaces and mounts need root; use sudo, or provider 'kind'")
    if facts.is_root and not facts.can_isolate:
        yield Finding(Weight.PROBLEM, "root may not make namespaces here; a container would have to be privileged")
    yield _enough("memory available", facts.memory_gib, MEMORY_GIB)
    yield _enough("free disk for the cache", facts.disk_gib, DISK_GIB)


def _network(facts: Facts, layout: ClusterLayout) -> Iterator[Finding]:
    for port in () if facts.is_running else facts.busy_ports:
        yield Finding(Weight.PROBLEM, f"port {port} of 127.0.0.1 is in use; end what listens there")
    for network in layout.ranges:
        for route in facts.routes:
            if network.overlaps(route):
                harmless = "harmless: only the cluster's own network namespace uses it"
                yield Finding(Weight.NOTE, f"the cluster's range {network} overlaps with the route {route}; {harmless}")
    if facts.is_running:
        yield Finding(Weight.NOTE, f"cluster {layout.name} runs already")


def _outlook(facts: Facts) -> Iterator[Finding]:
    if facts.missing_packages:
        names = ", ".join(facts.missing_packages)
        yield _finding(facts.has_apt, f"apt-get will install {names}", "there is no apt-get; install these yourself")
    if facts.missing_tools:
        yield Finding(Weight.NOTE, f"to be built once: {', '.join(one.name for one in facts.missing_tools)}")
    yield Finding(Weight.NOTE, f"a start takes about {minutes(facts)} min on this machine now")


def _finding(good: bool, fact: str, otherwise: str) -> Finding:
    return Finding(Weight.GOOD, fact) if good else Finding(Weight.PROBLEM, f"{fact}: {otherwise}")


def _enough(what: str, found: float, least: float) -> Finding:
    return _finding(found >= least, f"{what} {found:.0f} GiB", f"{least:.0f} GiB are needed")


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version) or "missing"
