"""Be the first process of a cluster's namespaces: prepare them, then reap orphans until killed.

Separate because it runs alone inside the new namespaces, started as ``python3 -m localcluster.holder``.
When it ends, the kernel ends every process of the pid namespace and drops the mounts and interfaces with
them, so this one process is the whole cluster's handle.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from localcluster.layout import SHORT, ClusterLayout

if TYPE_CHECKING:
    from collections.abc import Mapping

READY = "ready"

_EXPECTED_BY_KUBELET: Mapping[str, int] = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1_000_000,
    "kernel/keys/root_maxbytes": 25_000_000,
}
"""The machine-wide settings kubelet would change; it finds these values and leaves the machine's alone."""

_OWN_SETTINGS: Mapping[str, int] = {"net/ipv4/ip_forward": 1, "net/bridge/bridge-nf-call-iptables": 1}
"""Settings that belong to the network namespace."""

_PRIVATE_COPY = "/var"
"""What daemons write to wherever they are told to live, and also read; /run, in contrast, starts empty."""


def main() -> None:
    """Prepare, say so on stdout, and reap."""
    name, index, cache = sys.argv[1:]
    layout = ClusterLayout(name, int(index), Path(cache))
    _prepare_mounts(layout)
    _prepare_network(layout)
    _mount("--make-rshared", "/")  # kubelet's volumes must reach the containers' own mounts
    print(READY, flush=True)
    _let_go_of_output()
    _reap()


def _prepare_mounts(layout: ClusterLayout) -> None:
    _mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run")
    SHORT.mkdir()
    _mount("--bind", str(layout.state), str(SHORT))
    _cover(Path("/run/private"))
    _mount("--bind", str(SHORT), str(layout.state))  # which the cover may hide
    _hide_machine_settings(SHORT / "sysctl")


def _cover(scratch: Path) -> None:
    """Let what is written below ``_PRIVATE_COPY`` end with the cluster."""
    upper, work = scratch / "upper", scratch / "work"
    upper.mkdir(parents=True)
    work.mkdir()
    layers = f"lowerdir={_PRIVATE_COPY},upperdir={upper},workdir={work}"
    _mount("-t", "overlay", "-o", layers, "overlay", _PRIVATE_COPY)


def _hide_machine_settings(folder: Path) -> None:
    """Lay files over the settings kubelet writes, so that not even a crash leaves the machine changed."""
    folder.mkdir(exist_ok=True)
    for key, value in _EXPECTED_BY_KUBELET.items():
        file = folder / key.replace("/", ".")
        file.write_text(f"{value}\n")
        _mount("--bind", str(file), f"/proc/sys/{key}")


def _prepare_network(layout: ClusterLayout) -> None:
    _run("ip", "link", "set", "lo", "up")
    # A bridge without ports stands for the machine's network card: not every kernel has dummy interfaces.
    _run("ip", "link", "add", layout.node_interface, "type", "bridge")
    _run("ip", "address", "add", f"{layout.node_ip}/{layout.node_range.prefixlen}", "dev", layout.node_interface)
    _run("ip", "link", "set", layout.node_interface, "up")
    # Without a default route a Service's address is unreachable from the node before kube-proxy can translate it.
    _run("ip", "route", "add", str(layout.service_range), "dev", layout.node_interface)
    for key, value in _OWN_SETTINGS.items():
        setting = Path("/proc/sys", key)
        if setting.exists():
            setting.write_text(f"{value}\n")


def _mount(*arguments: str) -> None:
    _run("mount", "--no-mtab", *arguments)


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True)


def _let_go_of_output() -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


def _reap() -> None:
    """Collect orphans as they end; containers' shims and daemons all become children of this process."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    while True:
        _collect()
        signal.sigwait({signal.SIGCHLD})


def _collect() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return


if __name__ == "__main__":
    main()
