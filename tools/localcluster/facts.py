"""Look at the machine: what is installed, what is free, what is in use.

Separate from the doctor's judgments, which are pure and tested from given facts. All of it takes well below
two seconds, and none of it changes anything.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

from localcluster import packages, sandbox
from localcluster.gotools import GoTools

if TYPE_CHECKING:
    from localcluster.gotools import Family
    from localcluster.layout import ClusterLayout

GIB = 1 << 30
_TIMEOUT = 2.0


@dataclass(frozen=True)
class Facts:
    """A machine, as far as a local cluster cares."""

    system: str
    is_root: bool
    can_isolate: bool
    """Whether namespaces can be made; root of an ordinary container cannot."""
    python: tuple[int, ...]
    go: tuple[int, ...]
    node: tuple[int, ...]
    """Versions; empty when the program is not there."""
    memory_gib: float
    disk_gib: float
    has_apt: bool
    missing_packages: tuple[str, ...]
    missing_tools: tuple[Family, ...]
    busy_ports: tuple[int, ...]
    routes: tuple[IPv4Network, ...]
    is_running: bool
    """Whether this very cluster runs, in which case its ports are busy by right."""


def gather(layout: ClusterLayout) -> Facts:
    """Return the facts about this machine."""
    go = _version("go", "version")
    return Facts(
        system=platform.system(),
        is_root=os.geteuid() == 0,
        can_isolate=_succeeds("unshare", "--mount", "--net", "--pid", "--ipc", "--fork", "true"),
        python=sys.version_info[:3],
        go=go,
        node=_version("node", "--version"),
        memory_gib=_available_memory() / GIB,
        disk_gib=shutil.disk_usage(_existing(layout.cache)).free / GIB,
        has_apt=shutil.which("apt-get") is not None,
        missing_packages=tuple(packages.missing()),
        missing_tools=tuple(GoTools(layout.cache).missing()) if go else (),
        busy_ports=tuple(port for port in layout.ports if _is_busy(port)),
        routes=_routes(),
        is_running=sandbox.Sandbox(layout).holder() is not None,
    )


def parse_version(text: str) -> tuple[int, ...]:
    """Return the first dotted number in a program's words."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def parse_routes(text: str) -> tuple[IPv4Network, ...]:
    """Return the destinations in the JSON of ``ip route``, without the default route, which overlaps with all."""
    destinations = [one["dst"] for one in json.loads(text or "[]")]
    return tuple(IPv4Network(one, strict=False) for one in destinations if one != "default")


def _version(*command: str) -> tuple[int, ...]:
    return parse_version(_words(*command))


def _words(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=_TIMEOUT).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _available_memory() -> int:
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:
        return 0
    found = re.search(r"^MemAvailable:\s+(\d+) kB$", text, re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)


def _is_busy(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _routes() -> tuple[IPv4Network, ...]:
    return parse_routes(_words("ip", "-json", "-4", "route"))
