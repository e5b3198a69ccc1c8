"""The private mount, network, pid and ipc namespaces one cluster lives in, seen from outside.

Separate because nothing else may touch the machine: whatever runs through ``Sandbox`` sees the cluster's
own interfaces, iptables, mounts and processes, and is gone when ``end`` returns.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from localcluster import holder, processes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from localcluster.layout import ClusterLayout

_PACKAGES = Path(__file__).resolve().parent.parent
_PATIENCE = 10.0
_DETACH = 'setsid "$@" </dev/null >>"$0" 2>&1 & echo $!'
"""Start a program as a child of the namespace's first process, which outlives the caller, and tell its id."""


class SandboxError(RuntimeError):
    """The namespaces could not be made or are not there."""


@dataclass(frozen=True)
class Sandbox:
    """One cluster's namespaces."""

    layout: ClusterLayout

    def start(self) -> None:
        """Make the namespaces and wait until they are prepared."""
        self.layout.logs.mkdir(parents=True, exist_ok=True)
        log = self.layout.logs / "holder.log"
        with log.open("ab") as errors:
            started = subprocess.Popen(
                self._command(), stdout=subprocess.PIPE, stderr=errors, env=environment(), cwd="/"
            )
        said = _first_line(started.stdout)
        started.wait()
        if said != holder.READY:
            self.end()
            raise SandboxError(
                f"cluster {self.layout.name}: its namespaces were not made; {log} says:\n{log.read_text()}"
            )

    def holder(self) -> processes.Process | None:
        """Return the first process of the namespaces, or None when the cluster is down."""
        known = _holders.get(self.layout)
        if known and processes.observe(known.pid) == known:
            return known
        found = next((one for one in self._found() if processes.is_namespace_init(one.pid)), None)
        if found:
            _holders[self.layout] = found
        return found

    def path(self, inside: Path) -> Path:
        """Return where the machine finds a path of the cluster's own mounts."""
        return Path("/proc", str(self._require().pid), "root", inside.relative_to("/"))

    def command(self, argv: Sequence[str]) -> list[str]:
        """Return the command that runs ``argv`` inside."""
        target = str(self._require().pid)
        return ["nsenter", "--target", target, "--mount", "--net", "--pid", "--ipc", "--wd=/", "--", *argv]

    def run(
        self, argv: Sequence[str], stdin: IO[bytes] | None = None, *, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a program inside to its end and return what it said."""
        command, given = self.command(argv), stdin or subprocess.DEVNULL
        done = subprocess.run(command, stdin=given, capture_output=True, text=True, check=False, env=environment())
        if check and done.returncode:
            words = (done.stderr or done.stdout).strip()
            raise SandboxError(f"cluster {self.layout.name}: {' '.join(argv)} ended with {done.returncode}: {words}")
        return done

    def spawn(self, argv: Sequence[str], log: Path, keep: Sequence[int] = ()) -> processes.Process:
        """Start a program inside that outlives the caller, passing on the descriptors in ``keep``."""
        command = self.command(["sh", "-c", _DETACH, str(log), *argv])
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment(), pass_fds=keep)
        pid = int(done.stdout)
        return self.observe(pid) or processes.Process(pid, -1)

    def observe(self, pid: int) -> processes.Process | None:
        """Return the process that has this id inside the namespaces."""
        found = self.holder()
        return processes.observe(pid, Path(f"/proc/{found.pid}/root/proc")) if found else None

    def end(self) -> None:
        """Kill the first process and with it, by the kernel's hand, all others."""
        for process in sorted(self._found(), key=lambda one: not processes.is_namespace_init(one.pid)):
            processes.end(process)

    def _require(self) -> processes.Process:
        found = self.holder()
        if not found:
            raise SandboxError(f"cluster {self.layout.name} is not running")
        return found

    def _found(self) -> list[processes.Process]:
        return processes.with_arguments(self._program())

    def _program(self) -> list[str]:
        layout = self.layout
        return ["-m", "localcluster.holder", layout.name, str(layout.index), str(layout.cache)]

    def _command(self) -> list[str]:
        namespaces = ["--mount", "--net", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc"]
        # "setsid --fork" returns at once: the namespaces outlive us, and a terminal's Ctrl-C does not reach them.
        return ["setsid", "--fork", "unshare", *namespaces, "--", sys.executable, *self._program()]


_holders: dict[ClusterLayout, processes.Process] = {}
"""Where a search through all processes ended last; whoever polls daemons asks twenty times a second."""


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what daemons may know of the caller's environment: next to nothing, so that runs are alike."""
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": os.environ.get("HOME", "/root"),
        "PYTHONPATH": str(_PACKAGES),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
        **(extra or {}),
    }


def _first_line(stream: IO[bytes] | None) -> str:
    """Read one line, giving up after a while; an ended process reads as an empty line."""
    if stream is None or not select.select([stream], [], [], _PATIENCE)[0]:
        return ""
    with stream:
        return stream.readline().decode().strip()
