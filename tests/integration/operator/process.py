"""A real operator process: ``python -m moorage_operator`` with the ServiceAccount's own token."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest

from tests.integration.conftest import ROOT
from tests.support.ports import free_ports

if TYPE_CHECKING:
    from tests.integration.operator.plane import Plane

SOURCES = [str(ROOT / folder) for folder in ("operator", "templates", "crds")]


@dataclass(frozen=True)
class OperatorProcess:
    """One running operator."""

    popen: subprocess.Popen[bytes]
    log: Path
    metrics_port: int
    health_port: int

    @classmethod
    def start(cls, plane: Plane, folder: Path, name: str, url: str | None = None, **more: str) -> OperatorProcess:
        """Start an operator; it does not wait for anything."""
        metrics, health = free_ports(2)
        log = folder / f"{name}.log"
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(SOURCES),
            "KUBECONFIG": str(plane.operators_kubeconfig(folder, url)),
            "MOORAGE_POD_NAME": name,
            "MOORAGE_LISTEN_ADDRESS": "127.0.0.1",
            "MOORAGE_METRICS_PORT": str(metrics),
            "MOORAGE_HEALTH_PORT": str(health),
            **more,
        }
        with log.open("ab") as out:
            popen = subprocess.Popen(
                [sys.executable, "-m", "moorage_operator"], env=environment, stdout=out, stderr=out, cwd=folder
            )
        return cls(popen, log, metrics, health)

    def stop(self) -> None:
        """End it as Kubernetes does."""
        self.popen.send_signal(signal.SIGTERM)
        self.popen.wait(20)

    def kill(self) -> None:
        """End it without a chance to say good-bye; nothing happens when it has ended."""
        self.popen.kill()
        self.popen.wait(20)

    def metric(self, name: str) -> float | None:
        """Return a metric's value; None while the process does not answer."""
        try:
            with urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return None
        values = [float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(values) if values else None

    def wait_for_leadership(self, seconds: float = 30) -> None:
        """Wait until it leads."""
        deadline = time.monotonic() + seconds
        while self.metric("moorage_operator_leader") != 1:
            if self.popen.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the operator does not lead; the end of its log:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.05)

    def lines(self) -> list[dict[str, Any]]:
        """Return what it logged; a line that is no JSON fails."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]
