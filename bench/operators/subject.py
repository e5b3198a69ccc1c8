"""The operator under test as an ordinary process: how it is started and ended, and what Linux says of it.

Separate because ours and the naive one differ in their command alone; everything measured is measured alike.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp

from bench.operators.plane import ROOT
from localcluster.controlplane import bound_to_us

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_SOURCES = tuple(str(ROOT / folder) for folder in ("operator", "templates", "crds"))
_END = 30


@dataclass(frozen=True)
class Kind:
    """How to start an operator."""

    name: str
    python: str
    """The interpreter, of an environment with what the operator's image has."""
    module: str
    sources: tuple[str, ...] = _SOURCES
    has_rights_of_its_own: bool = True
    """It has the ServiceAccount's token that the chart makes; without, it is the administrator."""
    has_standby: bool = True
    """A second process takes over, and its metrics tell who leads."""


def ours(python: str) -> Kind:
    """Return Moorage's operator."""
    return Kind("Moorage", python, "moorage_operator")


def naive(python: str) -> Kind:
    """Return the naive operator."""
    sources = (str(ROOT), str(ROOT / "tools"), *_SOURCES)
    return Kind("naive", python, "bench.naive", sources, has_rights_of_its_own=False, has_standby=False)


@dataclass(frozen=True)
class Subject:
    """One running operator process."""

    popen: subprocess.Popen[bytes]
    metrics_port: int
    began: float

    @classmethod
    def start(cls, kind: Kind, folder: Path, kubeconfig: Path, name: str) -> Subject:
        """Start one; it does not wait for anything."""
        metrics, health = _free_ports()
        began = time.monotonic()
        with (folder / f"{name}.log").open("ab") as out:
            popen = subprocess.Popen(
                bound_to_us([kind.python, "-m", kind.module]),
                env=_environment(kind, kubeconfig, name, metrics, health),
                stdout=out,
                stderr=out,
                cwd=folder,
            )
        return cls(popen, metrics, began)

    @property
    def cpu_seconds(self) -> float:
        """Return the processor time used so far."""
        fields = self._proc("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    @property
    def resident_mib(self) -> float:
        """Return the memory resident now."""
        return self._status("VmRSS")

    @property
    def peak_mib(self) -> float:
        """Return the most memory ever resident."""
        return self._status("VmHWM")

    async def stop(self) -> float:
        """End it as Kubernetes does and return how long that took, in seconds."""
        began = time.monotonic()
        self.popen.terminate()
        await asyncio.to_thread(self.popen.wait, _END)
        return time.monotonic() - began

    def kill(self) -> None:
        """End it without a chance to say good-bye; nothing happens when it has ended."""
        self.popen.kill()
        self.popen.wait(_END)

    async def metrics(self) -> Mapping[str, float]:
        """Return the sums of Moorage's metrics by name; empty while the process does not answer."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        try:
            async with aiohttp.ClientSession() as session, session.get(url) as answer:
                return _sums(await answer.text())
        except aiohttp.ClientError:
            return {}

    async def calm(self, quiet: float = 2.0, limit: float = 120.0) -> None:
        """Wait until it needs next to no processor; raises TimeoutError."""
        async with asyncio.timeout(limit):
            while True:
                before = self.cpu_seconds
                await asyncio.sleep(quiet)
                if self.cpu_seconds - before < quiet * 0.05:
                    return

    def _status(self, name: str) -> float:
        line = next(one for one in self._proc("status").splitlines() if one.startswith(f"{name}:"))
        return int(line.split()[1]) / 1024

    def _proc(self, name: str) -> str:
        with open(f"/proc/{self.popen.pid}/{name}", encoding="utf-8") as file:  # noqa: PTH123 - a path of the kernel
            return file.read()


def _environment(kind: Kind, kubeconfig: Path, name: str, metrics: int, health: int) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(kind.sources),
        "PYTHONUNBUFFERED": "1",
        "KUBECONFIG": str(kubeconfig),
        "MOORAGE_POD_NAME": name,
        "MOORAGE_LISTEN_ADDRESS": "127.0.0.1",
        "MOORAGE_METRICS_PORT": str(metrics),
        "MOORAGE_HEALTH_PORT": str(health),
    }


def _sums(page: str) -> dict[str, float]:
    """Return each metric's sum over its labels."""
    sums: dict[str, float] = {}
    for line in page.splitlines():
        if line and not line.startswith("#"):
            sample, _, value = line.rpartition(" ")
            name = sample.partition("{")[0]
            sums[name] = sums.get(name, 0.0) + float(value)
    return sums


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for held in (one, other):
            held.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
