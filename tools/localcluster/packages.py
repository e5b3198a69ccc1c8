"""Install the Debian packages the local cluster and its image builds use, and start none of their services.

Separate because it is the one step that changes the machine itself. What is there already is left alone.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

REQUIRED = (
    "busybox-static",
    "buildah",
    "ca-certificates",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "iproute2",
    "ipset",
    "iptables",
    "mmdebstrap",
    "openssl",
    "runc",
    "util-linux",
)
"""What a new cluster and its images call: runtime, network, certificates, image builder."""

INSTALL_SECONDS = 60
"""How long the installation takes where nothing is there; an estimate, nothing depends on it."""

_POLICY = Path("/usr/sbin/policy-rc.d")
_NEVER_START = "#!/bin/sh\nexit 101\n"
_SERVICES = {"containerd": "containerd.service"}
"""Packages whose service would start at the machine's next boot; a cluster starts its own."""


class PackageError(RuntimeError):
    """Packages are missing and could not be installed; the message ends with the words of apt."""


def missing() -> list[str]:
    """Return the required packages that are not installed; all of them where there is no dpkg."""
    try:
        return parse_missing(_dpkg_query())
    except FileNotFoundError:
        return list(REQUIRED)


def parse_missing(installed: str) -> list[str]:
    """Return the required packages that do not appear as installed in dpkg-query's output."""
    lines = (line.split() for line in installed.splitlines())
    present = {name for name, *status in lines if status == ["ii"]}
    return [name for name in REQUIRED if name not in present]


def install(names: list[str]) -> None:
    """Install packages with apt-get, without their services."""
    if not names:
        return
    with tempfile.TemporaryDirectory() as folder:
        policy = Path(folder, "policy-rc.d")
        policy.write_text(_NEVER_START)
        policy.chmod(0o755)
        _run(_without_services(policy, ["apt-get", "update", "-qq"]))
        _run(_without_services(policy, ["apt-get", "install", "-qq", "--no-install-recommends", *names]))
    _keep_disabled(names)


def _without_services(policy: Path, command: list[str]) -> list[str]:
    """Return a command under a policy that only it sees; the machine's own policy, if any, stays as it is.

    The mount needs a file to lie on: an empty one that is not executable is no policy, should it remain.
    """
    steps = f'[ -e {_POLICY} ] || made=1; [ -z "$made" ] || : >{_POLICY}; mount --bind "$0" {_POLICY} && "$@"; '
    ending = f'code=$?; umount {_POLICY}; [ -z "$made" ] || rm -f {_POLICY}; exit $code'
    return ["unshare", "--mount", "sh", "-c", steps + ending, str(policy), *command]


def _keep_disabled(names: list[str]) -> None:
    """Disable what the installation enabled; a service that was there before is not in ``names``."""
    services = [_SERVICES[name] for name in names if name in _SERVICES]
    if services and Path("/run/systemd/system").is_dir():
        _run(["systemctl", "disable", "--quiet", *services])


def _dpkg_query() -> str:
    command = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Abbrev}\n", *REQUIRED]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _run(command: list[str]) -> None:
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=quiet)
    if done.returncode:
        words = (done.stderr or done.stdout).strip()[-2000:]
        raise PackageError(f"{command[-1]} failed with {done.returncode}: {words}")
