"""Run etcd and an API server alone, as ordinary child processes on loopback, for integration tests.

Separate from the cluster because it needs no root, no namespaces and no node: four seconds instead of
fifteen, for tests of what only a real API server decides.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Self

from localcluster import kubeconfig, pki
from localcluster.control_commands import Addresses, ControlCommands, audit_flags
from localcluster.daemons import Child, Command, wait
from localcluster.gotools import GoTools
from localcluster.kubeapi import KubeApi
from localcluster.layout import cache_root

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

_PATIENCE = 60.0
_LOOPBACK = "127.0.0.1"
_FIRST_WORK = "/api/v1/namespaces/default/serviceaccounts/default"
"""What the controllers make first of all; they offer no better sign of having begun."""


@dataclass(frozen=True)
class ControlPlane:
    """A running control plane; leave the ``with`` block or call ``stop`` to end it."""

    url: str
    kubeconfig: Path
    token: str
    """Of a member of system:masters, as is the certificate."""
    authority: Path
    """The certificate that signed the API server's."""
    admin: pki.Pair
    _children: tuple[Child, ...]

    @classmethod
    def start(
        cls,
        folder: Path,
        *,
        audit_log: Path | None = None,
        with_controllers: bool = False,
        flags: Sequence[str] = (),
        tools: GoTools | None = None,
    ) -> ControlPlane:
        """Start a control plane whose every file is below ``folder`` and wait until it answers.

        ``audit_log`` records every request's user, verb and object. ``with_controllers`` adds the controller
        manager, without which namespaces stay Terminating, owners' deletions do not cascade, and neither
        EndpointSlices nor default service accounts appear. ``flags`` are further flags of the API server.
        Start it from a thread that lives on: the processes end with the thread that started them, so that a
        killed test run leaves nothing behind.

        Raises DaemonError, quoting a log, when it does not get ready.
        """
        folder.mkdir(parents=True, exist_ok=True)
        commands = _commands(tools or GoTools(cache_root()), folder)
        commands.issue()
        token = secrets.token_urlsafe(24)
        audit = audit_flags(folder / "audit-policy.json", audit_log) if audit_log else []
        extra = [*_own_flags(folder, token), *audit, *flags]
        core = [commands.etcd(), commands.api_server(*extra)]
        # The controllers give up when the API server is not there within ten seconds.
        later = [commands.controller_manager()] if with_controllers else []
        return cls._run(commands, core, later, folder, token)

    @classmethod
    def _run(
        cls, commands: ControlCommands, core: Sequence[Command], later: Sequence[Command], folder: Path, token: str
    ) -> ControlPlane:
        url, authority = f"https://{_LOOPBACK}:{commands.addresses.api_port}", commands.authority.root.certificate
        admin, config = commands.authority.issue(pki.ADMIN), folder / "kubeconfig"
        kubeconfig.write(config, "control-plane", url, authority, admin)
        with ExitStack() as started:
            children = tuple(_start(command, folder, started) for command in core)
            api = KubeApi(url, authority, admin)
            wait("the API server", api.is_ready, children, _PATIENCE)
            children += tuple(_start(command, folder, started) for command in later)
            if later:
                wait("the controllers", lambda: api.get(_FIRST_WORK) is not None, children, _PATIENCE)
            started.pop_all()
        return cls(url, config, token, authority, admin, children)

    def stop(self) -> None:
        """Kill the processes: nothing they hold is to last."""
        for child in self._children:
            _kill(child)

    def __enter__(self) -> Self:
        """Return the running control plane."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self.stop()


def _commands(tools: GoTools, folder: Path) -> ControlCommands:
    api, etcd, peer = _free_ports(3)
    addresses = Addresses(
        bind=_LOOPBACK,
        advertise=_LOOPBACK,
        api_port=api,
        etcd_port=etcd,
        etcd_peer_port=peer,
        services=IPv4Network("10.96.0.0/16"),
        pods=IPv4Network("10.244.0.0/16"),
    )
    return ControlCommands(tools, pki.Authority(folder / "pki"), folder / "etcd", addresses)


def _free_ports(count: int) -> list[int]:
    """Return ports the kernel deems free, held together so that they differ."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((_LOOPBACK, 0))
        return [one.getsockname()[1] for one in sockets]


def _own_flags(folder: Path, token: str) -> list[str]:
    """Return the flags only this control plane has: an administrator's token, and no address for pods to use."""
    path = folder / "tokens.csv"
    path.touch(mode=0o600)
    path.write_text(f"{token},moorage-admin,moorage-admin,system:masters\n")
    return [f"--token-auth-file={path}", "--endpoint-reconciler-type=none"]


def _start(command: Command, folder: Path, started: ExitStack) -> Child:
    log = folder / f"{command.name}.log"
    with log.open("ab") as out:
        popen = subprocess.Popen(bound_to_us(command.argv), stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/")
    child = Child(command.name, log, popen)
    started.callback(_kill, child)
    return child


def bound_to_us(argv: Sequence[str]) -> list[str]:
    """Return a command that the kernel kills when its parent ends, be it by a crash."""
    helper = shutil.which("setpriv", path=os.environ.get("PATH", "") + ":/usr/bin")
    return [helper, "--pdeathsig", "KILL", *argv] if helper else list(argv)


def _kill(child: Child) -> None:
    child.popen.kill()
    child.popen.wait()
