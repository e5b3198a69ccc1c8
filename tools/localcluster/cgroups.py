"""Make and remove the control groups below which one cluster's pods live.

Separate because control groups are the one thing of a cluster that no namespace takes along when it ends.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path("/sys/fs/cgroup")
_ATTEMPTS = 100
_PAUSE = 0.05
_CPUSET_FILES = ("cpuset.cpus", "cpuset.mems")
_CONTROLLERS = ("cpu", "cpuset", "memory", "pids", "io", "hugetlb")


def create(name: str, root: Path = ROOT) -> None:
    """Make the group in every hierarchy: kubelet refuses to start when its parent is missing from one."""
    for hierarchy in hierarchies(root):
        group = hierarchy / name.strip("/")
        group.mkdir(exist_ok=True)
        _allow_cpus(hierarchy, group)
        _delegate(hierarchy, group)


def remove(name: str, root: Path = ROOT) -> None:
    """Remove the groups, leaves first; the kernel frees them a moment after the last process has gone."""
    for hierarchy in hierarchies(root):
        group = hierarchy / name.strip("/")
        for _ in range(_ATTEMPTS):
            if not group.is_dir() or _removed(group):
                break
            time.sleep(_PAUSE)


def remaining(name: str, root: Path = ROOT) -> list[Path]:
    """Return what is left of the groups."""
    groups = (hierarchy / name.strip("/") for hierarchy in hierarchies(root))
    return [group for group in groups if group.exists()]


def hierarchies(root: Path = ROOT) -> list[Path]:
    """Return the mounted hierarchies: one in version 2, one per controller in version 1."""
    if (root / "cgroup.controllers").exists():
        return [root]
    return sorted(one for one in root.iterdir() if one.is_dir() and not one.is_symlink())


def _removed(group: Path) -> bool:
    try:
        for folder in _leaves_first(group):
            folder.rmdir()
    except OSError:
        return False
    return True


def _leaves_first(group: Path) -> Iterator[Path]:
    for child in group.iterdir():
        if child.is_dir():
            yield from _leaves_first(child)
    yield group


def _allow_cpus(hierarchy: Path, group: Path) -> None:
    """In version 1 a new cpuset is empty, and no process may enter an empty one."""
    for file in _CPUSET_FILES:
        source, target = hierarchy / file, group / file
        if source.exists() and target.exists() and not target.read_text().strip():
            target.write_text(source.read_text())


def _delegate(hierarchy: Path, group: Path) -> None:
    """In version 2 a child has only the controllers its parent hands down."""
    for folder in (hierarchy, group):
        control = folder / "cgroup.subtree_control"
        for controller in _CONTROLLERS if control.exists() else ():
            with contextlib.suppress(OSError):  # a controller this kernel lacks
                control.write_text(f"+{controller}")
