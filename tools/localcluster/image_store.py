"""Put images into a cluster's containerd, and leave the store fit for the next start.

Separate because the store is the one thing that outlives a cluster: filling it takes longer than starting
everything else, and a store with containers nobody knows would confuse the next kubelet.
"""

from __future__ import annotations

import hashlib
import tarfile
from typing import TYPE_CHECKING

from localcluster.daemons import Detached, recorded, wait
from localcluster.layout import CONTAINERD_SOCKET
from localcluster.sandbox import Sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from localcluster.layout import ClusterLayout

_CTR = ("ctr", "--address", str(CONTAINERD_SOCKET), "--namespace", "k8s.io")
_PATIENCE = 20.0
_SOON = "--timeout=10s"
"""A runtime that hangs must not keep a cluster from being taken down."""


def import_image(layout: ClusterLayout, archive: Path) -> bool:
    """Give the cluster an image from an OCI or Docker archive; return False if it has this very content.

    Pods then name it with a fixed tag and ``imagePullPolicy: Never`` or ``IfNotPresent``.
    """
    record = layout.images / "imported" / content_id(archive)
    if record.exists():
        return False
    with archive.open("rb") as content:  # by descriptor, since the cluster may not see the path
        Sandbox(layout).run([*_CTR, "images", "import", "-"], content)
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(f"{archive.name}\n")
    return True


def content_id(archive: Path) -> str:
    """Return what identifies an archive's names and content: its index, which is made of names and digests."""
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.name in {"index.json", "manifest.json"} and (file := tar.extractfile(member)):
                return hashlib.sha256(file.read()).hexdigest()
    raise ValueError(f"{archive} is no image archive: it has neither index.json nor manifest.json")


def is_reusable(layout: ClusterLayout) -> bool:
    """Tell whether the store was left without containers."""
    return _mark(layout).exists()


def begin_use(layout: ClusterLayout) -> None:
    """Note that containers may exist from now on."""
    _mark(layout).unlink(missing_ok=True)


def empty(sandbox: Sandbox) -> None:
    """Remove every container, stop containerd, and mark the store as reusable.

    Ends the daemons that would start containers again; raises when anything about it fails, and then the
    store stays unmarked.
    """
    daemons = recorded(sandbox)
    runtime = [one for one in daemons if one.name == "containerd"]
    _signal("KILL", [one for one in daemons if one not in runtime])
    wait("the end of all containers", lambda: _are_gone(sandbox, "tasks"), runtime, _PATIENCE)
    wait("the removal of all containers", lambda: _are_gone(sandbox, "containers"), runtime, _PATIENCE)
    _signal("TERM", runtime)
    wait("containerd's end", lambda: not any(one.is_alive() for one in runtime), [], _PATIENCE)
    _mark(sandbox.layout).touch()


def _are_gone(sandbox: Sandbox, kind: str) -> bool:
    """Delete what is there and tell whether nothing was; containerd itself deletes some at the same time."""
    ctr = [*_CTR, _SOON, kind]
    names = sandbox.run([*ctr, "list", "--quiet"]).stdout.split()
    if names:
        sandbox.run([*ctr, "delete", *(["--force"] if kind == "tasks" else []), *names], check=False)
    return not names


def _signal(name: str, daemons: list[Detached]) -> None:
    alive = [one for one in daemons if one.is_alive()]
    if alive:
        ids = [str(one.process.pid) for one in alive]
        # A daemon that ended in between is no failure; the shell's kill knows the namespace's own ids.
        alive[0].sandbox.run(["sh", "-c", 'kill -s "$0" "$@"', name, *ids], check=False)


def _mark(layout: ClusterLayout) -> Path:
    return layout.images / "reusable"
