"""The three images the cluster itself needs: the pause container, CoreDNS, and a shell for volume set-up.

Separate from the product's images, which need a running builder; these are made in a second from binaries
that are already on the machine.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from localcluster.scratch_image import write_image

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localcluster.gotools import GoTools

PAUSE = "moorage.local/pause:1"
COREDNS = "moorage.local/coredns:1"
SHELL = "moorage.local/busybox:1"

_BUSYBOX = Path("/bin/busybox")
_APPLETS = ("sh", "cat", "date", "echo", "env", "head", "id", "ls", "mkdir", "nc", "nslookup", "rm", "sleep", "wget")


@dataclass(frozen=True)
class SystemImage:
    """One image made from one binary."""

    name: str
    binary: Path
    target: str
    config: Mapping[str, object]
    links: Mapping[str, str] = field(default_factory=dict)

    def archive(self, folder: Path) -> Path:
        """Return the image's archive, writing it when the binary or its description is new."""
        path = folder / f"{self.name.partition('/')[2].replace(':', '-')}-{self._digest()}.tar"
        if not path.exists():
            write_image(path, self.name, files={self.target: self.binary}, links=self.links, config=self.config)
        return path

    def _digest(self) -> str:
        about = self.binary.stat()
        description = (str(self.binary), about.st_size, about.st_mtime_ns, self.target, self.config, self.links)
        return hashlib.sha256(repr(description).encode()).hexdigest()[:12]


def pause() -> SystemImage:
    """Return the image that holds a pod's namespaces open: all it does is sleep."""
    return SystemImage(PAUSE, _BUSYBOX, "/bin/busybox", {"Entrypoint": ["/bin/busybox", "sleep", "2147483647"]})


def shell() -> SystemImage:
    """Return the image with a shell, for volume set-up and for trying things out."""
    links = {f"/bin/{applet}": "busybox" for applet in _APPLETS}
    return SystemImage(SHELL, _BUSYBOX, "/bin/busybox", {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"]}, links)


def coredns(tools: GoTools) -> SystemImage:
    """Return the image of the cluster's DNS."""
    config = {"Entrypoint": ["/coredns"], "User": "65532:65532"}
    return SystemImage(COREDNS, tools.path("coredns"), "/coredns", config)
