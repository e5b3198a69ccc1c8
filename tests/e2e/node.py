"""What only the node can do to a pod: kill a container's process, restart the container runtime.

Separate because it goes around Kubernetes: a fault that the cluster's own API makes is one it may expect.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from localcluster import cluster

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from localcluster.layout import ClusterLayout

_KILL = "kill -9 $(grep -ls $0 /proc/[0-9]*/cgroup | cut -d/ -f3 | sort -n | head -1)"
"""Ends the first process of a container, whose id its cgroup's path holds."""


@dataclass(frozen=True)
class Node:
    """The one node of the cluster under test."""

    layout: ClusterLayout
    provider: str
    """``local`` or ``kind``; nobody may kill processes of a cluster that is not ours."""

    def kill(self, pod: Mapping[str, Any], container: str) -> None:
        """Send SIGKILL to the main process of a pod's container."""
        statuses = [*pod["status"].get("containerStatuses", ()), *pod["status"].get("initContainerStatuses", ())]
        identifier = next(one["containerID"] for one in statuses if one["name"] == container)
        self._run(["sh", "-c", _KILL, identifier.rpartition("/")[2]])

    def restart_runtime(self) -> None:
        """End containerd and start it again; the containers' own processes go on."""
        match self.provider:
            case "local":
                cluster.restart_containerd(self.layout)
            case _:
                self._run(["systemctl", "restart", "containerd"])

    def _run(self, argv: Sequence[str]) -> None:
        match self.provider:
            case "local":
                cluster.run_inside(self.layout, argv)
            case "kind":
                inside = ["docker", "exec", f"{self.layout.name}-control-plane", *argv]
                subprocess.run(inside, check=True, capture_output=True)
            case other:
                raise ValueError(f"expected provider local or kind, got {other!r}")
