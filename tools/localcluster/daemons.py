"""Follow daemons: whether they live, and what they last said when they do not get ready.

Separate from the commands that start them, since a cluster's daemons and a test's child processes are
waited for in the same way.
"""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from localcluster import processes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from localcluster.sandbox import Sandbox

_TAIL = 4000
_LINES = 12
_PAUSE = 0.05


class DaemonError(RuntimeError):
    """A daemon ended or did not get ready; the message quotes its log."""


class Running(Protocol):
    """A started daemon."""

    @property
    def name(self) -> str:
        """Return the daemon's name."""

    @property
    def log(self) -> Path:
        """Return the file with its words."""

    def is_alive(self) -> bool:
        """Tell whether it still runs."""


@dataclass(frozen=True)
class Command:
    """A daemon to start."""

    name: str
    argv: tuple[str, ...]


@dataclass(frozen=True)
class Detached:
    """A daemon inside a sandbox, known by a record so that a later call finds it again."""

    name: str
    log: Path
    sandbox: Sandbox
    process: processes.Process

    def is_alive(self) -> bool:
        """Tell whether the same process still runs inside."""
        return self.sandbox.observe(self.process.pid) == self.process


@dataclass(frozen=True)
class Child:
    """A daemon that is a child of this process."""

    name: str
    log: Path
    popen: subprocess.Popen[bytes]

    def is_alive(self) -> bool:
        """Tell whether it still runs."""
        return self.popen.poll() is None


def start_detached(sandbox: Sandbox, command: Command, keep: Sequence[int] = ()) -> Detached:
    """Start a daemon inside a sandbox and record it."""
    layout = sandbox.layout
    log = layout.logs / f"{command.name}.log"
    process = sandbox.spawn(command.argv, log, keep)
    layout.processes.mkdir(exist_ok=True)
    record = {"pid": process.pid, "started": process.started}
    (layout.processes / f"{command.name}.json").write_text(json.dumps(record))
    return Detached(command.name, log, sandbox, process)


def recorded(sandbox: Sandbox) -> list[Detached]:
    """Return the daemons that were started inside a sandbox."""
    logs = sandbox.layout.logs
    files = sorted(sandbox.layout.processes.glob("*.json"))
    return [Detached(one.stem, logs / f"{one.stem}.log", sandbox, _read(one)) for one in files]


def wait(what: str, ready: Callable[[], bool], needed: Sequence[Running], seconds: float) -> None:
    """Wait until ``ready`` is true.

    Raises DaemonError at once when one of the ``needed`` daemons has ended, else after ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        ended = next((one for one in needed if not one.is_alive()), None)
        if ended:
            raise DaemonError(f"{ended.name} ended while waiting for {what}; {_quote(ended)}")
        if time.monotonic() > deadline:
            raise DaemonError(
                f"{what} did not come within {seconds:.0f} s; " + "\n".join(_quote(one) for one in needed)
            )
        time.sleep(_PAUSE)


def _quote(daemon: Running) -> str:
    return f"the end of {daemon.log}:\n{_tail(daemon.log)}"


def _tail(log: Path) -> str:
    """Return the last lines of a log that may be large."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return "  (no log)"
    return "\n".join(f"  {line}" for line in text.splitlines()[-_LINES:])


def _read(record: Path) -> processes.Process:
    content = json.loads(record.read_text())
    return processes.Process(content["pid"], content["started"])
