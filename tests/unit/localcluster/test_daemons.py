"""Waiting for daemons ends soon and explains itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from localcluster.daemons import DaemonError, wait


@dataclass(frozen=True)
class Fake:
    """A daemon whose life is decided by the test."""

    name: str
    log: Path
    alive: bool = True

    def is_alive(self) -> bool:
        return self.alive


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "etcd.log"
    path.write_text("".join(f"line {number}\n" for number in range(1000)) + "no space left\n")
    return path


def test_returns_as_soon_as_it_is_ready(log: Path) -> None:
    answers = iter([False, True])
    wait("readiness", lambda: next(answers), [Fake("etcd", log)], 5)


def test_an_ended_daemon_is_named_with_the_end_of_its_log(log: Path) -> None:
    with pytest.raises(DaemonError, match="etcd ended while waiting for the API server") as caught:
        wait("the API server", lambda: False, [Fake("etcd", log, alive=False)], 60)
    assert "no space left" in str(caught.value)
    assert str(caught.value).count("line ") < 20, "only the tail"


def test_a_timeout_quotes_every_daemon_it_waited_for(log: Path, tmp_path: Path) -> None:
    silent = Fake("kubelet", tmp_path / "kubelet.log")
    with pytest.raises(DaemonError, match="the node did not come within 0 s") as caught:
        wait("the node", lambda: False, [Fake("etcd", log), silent], 0)
    assert "no space left" in str(caught.value)
    assert "(no log)" in str(caught.value)
