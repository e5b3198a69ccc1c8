"""Recognise a process beyond doubt before signalling it.

Separate because a process id alone is reused by the kernel: everything that ends a process goes through
``end``, which compares the start time while holding a descriptor that cannot come to mean another process.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROC = Path("/proc")
_FIELDS_BEFORE_START_TIME = 19
"""Start time is field 22 of /proc/PID/stat; counting starts after the command name, which is field 2."""


@dataclass(frozen=True)
class Process:
    """One process: its id and its start in clock ticks since boot, unique together until the next boot."""

    pid: int
    started: int


def observe(pid: int, proc: Path = PROC) -> Process | None:
    """Return the process that has this id now, or None; a zombie counts as gone."""
    try:
        stat = (proc / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else Process(pid, int(fields[_FIELDS_BEFORE_START_TIME - 1]))


def with_arguments(tail: Sequence[str]) -> list[Process]:
    """Return the processes of this machine whose command line ends so."""
    wanted = [one.encode() for one in tail]
    ids = (int(folder.name) for folder in PROC.iterdir() if folder.name.isdecimal())
    found = (observe(pid) for pid in ids if _arguments(pid)[-len(wanted) :] == wanted)
    return [process for process in found if process]


def children(pid: int) -> list[int]:
    """Return the ids of a process's children."""
    try:
        return [int(one) for one in (PROC / str(pid) / "task" / str(pid) / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def is_namespace_init(pid: int) -> bool:
    """Tell whether a process is the first of a pid namespace below ours."""
    try:
        return is_first_inside((PROC / str(pid) / "status").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_first_inside(status: str) -> bool:
    """Tell from /proc/PID/status whether a process has id 1 in a namespace of its own."""
    ids = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
    return len(ids) > 1 and ids[-1] == "1"


def end(process: Process, patience: float = 10.0) -> None:
    """Kill exactly this process and wait until it is gone; do nothing if it is gone already."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        if observe(process.pid) == process:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            _wait_gone(process, patience)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)


def _wait_gone(process: Process, patience: float) -> None:
    for _ in _ticks(patience):
        if observe(process.pid) != process:
            return
    raise TimeoutError(f"process {process.pid} is still there {patience:.0f} s after it was killed")


def _ticks(seconds: float) -> Iterator[None]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(0.02)


def _arguments(pid: int) -> list[bytes]:
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return []
