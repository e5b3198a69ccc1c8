"""Make the root file system that every local image starts from: Debian or Ubuntu's minimal set plus Python.

Separate because it is the one layer made from distribution packages, the slowest to make, and stands in for
the public Python image that the Dockerfiles name. Suite, mirrors and signatures are those of the machine's
own apt, security updates included.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from pathlib import Path

PACKAGES = ("ca-certificates", "libpython3.11", "python3", "python3-venv")
"""What the public image has and ours use; libpython is for the interpreter inside Triton."""

_UNWANTED = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*", "/usr/share/info/*")
_LICENCES = "/usr/share/doc/*/copyright"
_OF_THE_HOST = "etc/apt/sources.list etc/resolv.conf etc/hostname"
"""Files, relative to the root, that name this machine or its mirrors."""


def key() -> str:
    """Return the digest of what decides the content: the suite, the packages and this file."""
    parts = [_suite().encode(), " ".join(PACKAGES).encode(), Path(__file__).read_bytes()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def make(archive: Path, log: Path) -> None:
    """Write the root file system as a tar. Needs root and mmdebstrap.

    Raises subprocess.CalledProcessError when a package cannot be had; its words are in ``log``.
    """
    with log.open("ab") as out:
        subprocess.run(
            _command(archive),
            input=_sources().encode(),
            stdout=out,
            stderr=subprocess.STDOUT,
            env=os.environ | {"SOURCE_DATE_EPOCH": "0"},
            check=True,
        )


def _command(archive: Path) -> list[str]:
    """Return the call of mmdebstrap, which unlike debootstrap takes security updates from several mirrors at once."""
    command = ["mmdebstrap", "--variant=minbase", "--mode=root", "--format=tar", f"--include={','.join(PACKAGES)}"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in _UNWANTED]
    command += [f"--dpkgopt=path-include={_LICENCES}"]
    command += [f'--customize-hook=cd "$1" && rm -f {_OF_THE_HOST}']
    return [*command, _suite(), str(archive), "-"]


def _suite() -> str:
    return platform.freedesktop_os_release()["VERSION_CODENAME"]


def _sources() -> str:
    """Return apt's own source lines for this distribution, leaving out what others added to the machine."""
    origin = platform.freedesktop_os_release()["ID"].capitalize()
    form = "deb $(REPO_URI) $(RELEASE) $(COMPONENT)"
    command = ["apt-get", "indextargets", "--format", form, "Created-By: Packages", f"Origin: {origin}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
