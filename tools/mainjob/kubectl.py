"""Run kubectl and Helm against one cluster.

Separate because every later step needs it and tests want one place that turns a failure into the program's own words.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class CommandError(Exception):
    """A program failed; the message is its own."""


@dataclass(frozen=True)
class Kubectl:
    """kubectl and Helm, bound to one kubeconfig."""

    kubectl: str
    helm: str
    kubeconfig: Path | None
    """None means what the caller's environment names."""

    def run(self, *args: str, stdin: str | None = None) -> str:
        """Return what kubectl prints; raises CommandError."""
        return self._run([self.kubectl, *args], stdin)

    def get(self, *args: str) -> dict[str, Any]:
        """Return an object or list as kubectl reads it."""
        found: dict[str, Any] = json.loads(self.run("get", *args, "--output=json"))
        return found

    def run_helm(self, *args: str) -> str:
        """Return what Helm prints; raises CommandError."""
        return self._run([self.helm, *args], None)

    def told(self, *args: str) -> str:
        """Return a command of kubectl's for a person to run."""
        where = [f"KUBECONFIG={self.kubeconfig}"] if self.kubeconfig else []
        return " ".join([*where, self.kubectl, *args])

    def _run(self, argv: list[str], stdin: str | None) -> str:
        done = subprocess.run(argv, input=stdin, env=self.environment(), capture_output=True, text=True, check=False)
        if done.returncode:
            raise CommandError(f"{Path(argv[0]).name} {' '.join(argv[1:4])}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def environment(self) -> dict[str, str]:
        """Return the environment that the programs run in."""
        own = {"KUBECONFIG": str(self.kubeconfig)} if self.kubeconfig else {}
        return dict(os.environ) | own
