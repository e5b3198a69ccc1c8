"""A control plane with controllers and an audit log, and real operator processes under their real ServiceAccount."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from localcluster.controlplane import ControlPlane
from localcluster.daemons import DaemonError
from tests.integration.operator.plane import Plane
from tests.integration.operator.process import OperatorProcess
from tests.support.kube import Kube

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FLAGS = (
    # Without a cache in the API server a watch of LimitRanges resumes from etcd itself, and with fast compaction a
    # version some seconds old is gone there: that is how 410 is had at will.
    "--watch-cache-sizes=limitranges#0",
    "--etcd-compaction-interval=2s",
)

ATTEMPTS = 4


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """The control plane that most tests share."""
    with started(tmp_path_factory) as made:
        yield made


@contextmanager
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """Run an API server, etcd and controller manager with Moorage's CRDs, roles and admission policies."""
    running, audit = _start_patiently(tmp_path_factory)
    with running, Kube.of(running) as kube:
        made = Plane(running, kube, audit)
        made.install()
        yield made


def _start_patiently(tmp_path_factory: pytest.TempPathFactory) -> tuple[ControlPlane, Path]:
    """Start a control plane; on a busy machine the controllers give up when the API server takes more than 10 s."""
    for attempt in range(ATTEMPTS):
        folder = tmp_path_factory.mktemp("operator-plane")
        audit = folder / "audit.log"
        try:
            return ControlPlane.start(folder, audit_log=audit, with_controllers=True, flags=FLAGS), audit
        except DaemonError:
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError


@pytest.fixture
def start(plane: Plane, tmp_path: Path) -> Iterator[Callable[..., OperatorProcess]]:
    """Start operator processes; all end with the test."""
    started: list[OperatorProcess] = []

    def begin(name: str = "operator-0", **options: str) -> OperatorProcess:
        made = OperatorProcess.start(plane, tmp_path, name, **options)
        started.append(made)
        return made

    yield begin
    for one in started:
        one.kill()


@pytest.fixture(scope="module")
def operator(plane: Plane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """One operator that leads, for all tests of a module."""
    mark = plane.mark()
    made = OperatorProcess.start(plane, tmp_path_factory.mktemp("operator"), "operator-shared")
    made.wait_for_leadership()
    plane.wait_for_kopf(mark)
    yield made
    made.stop()
