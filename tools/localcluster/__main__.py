"""The command line: ``PYTHONPATH=tools python3 -m localcluster VERB``.

Separate because it only parses, calls and prints; each verb's work is a function elsewhere.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from localcluster import cluster, doctor, facts, layout, packages
from localcluster.daemons import DaemonError, recorded
from localcluster.forward import PortTakenError
from localcluster.gotools import GoTools
from localcluster.kubeapi import ApiError
from localcluster.packages import PackageError
from localcluster.progress import Progress
from localcluster.sandbox import Sandbox, SandboxError

_EXPECTED = (ApiError, DaemonError, PackageError, PortTakenError, SandboxError, ValueError)
"""Failures whose message says all; anything else is a defect and shows its traceback."""


def main() -> int:
    """Run one verb and return its exit code."""
    options = _parser().parse_args()
    try:
        where = layout.named(options.cluster, options.index)
        return int(options.run(where, options))
    except _EXPECTED as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="localcluster", description="A real single-node Kubernetes on this machine.")
    parser.add_argument("--cluster", default="moorage-local", help="the cluster's name (%(default)s)")
    parser.add_argument("--index", type=int, help="0..9, for a cluster that is neither moorage-local nor moorage-test")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _add_preparation(verbs)
    _add_lifecycle(verbs)
    return parser


def _add_preparation(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verbs.add_parser("doctor", help="say what stands in the way, in two seconds").set_defaults(run=_doctor)
    verbs.add_parser("packages", help="install missing packages, starting no service").set_defaults(run=_packages)
    tools = verbs.add_parser("tools", help="build missing Go programs into the cache")
    tools.add_argument("family", nargs="*", help="only these families")
    tools.set_defaults(run=_tools)


def _add_lifecycle(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    up = verbs.add_parser("up", help="start the cluster, or find it running")
    up.add_argument("--audit", action="store_true", help="record every request to the API server")
    up.set_defaults(run=_up)
    down = verbs.add_parser("down", help="remove the cluster, keeping imported images")
    down.add_argument("--purge", action="store_true", help="remove imported images too")
    down.set_defaults(run=_down)
    verbs.add_parser("status", help="say what runs; exit code 1 unless all is well").set_defaults(run=_status)
    enter = verbs.add_parser("enter", help="run a command, or a shell, in the cluster's namespaces")
    enter.add_argument("command", nargs=argparse.REMAINDER)
    enter.set_defaults(run=_enter)
    forward = verbs.add_parser("forward", help="lead a loopback port to an address inside, until the cluster ends")
    forward.add_argument("port", type=int)
    forward.add_argument("target", help="HOST:PORT as seen from the node")
    forward.set_defaults(run=_forward)


def _doctor(where: layout.ClusterLayout, _: argparse.Namespace) -> int:
    findings = doctor.judge(facts.gather(where), where)
    for finding in findings:
        print(finding.line)
    return 1 if doctor.problems(findings) else 0


def _packages(_: layout.ClusterLayout, __: argparse.Namespace) -> int:
    progress, names = Progress(), packages.missing()
    if not names:
        progress.skip("packages", "all installed")
        return 0
    with progress.step(f"install {', '.join(names)}", packages.INSTALL_SECONDS):
        packages.install(names)
    return 0


def _tools(where: layout.ClusterLayout, options: argparse.Namespace) -> int:
    progress, tools, log = Progress(), GoTools(where.cache), where.cache / "go-tools.log"
    wanted = [one for one in tools.families if one.name in options.family or not options.family]
    where.cache.mkdir(parents=True, exist_ok=True)
    for family in wanted:
        if tools.is_built(family):
            progress.skip(f"build {family.name}", "built before")
            continue
        with progress.step(f"build {family.name}", family.seconds):
            tools.build(family, log)
    return 0


def _up(where: layout.ClusterLayout, options: argparse.Namespace) -> int:
    cluster.up(where, audit=options.audit)
    print(f"export KUBECONFIG={where.kubeconfig}")
    return 0


def _down(where: layout.ClusterLayout, options: argparse.Namespace) -> int:
    cluster.down(where, purge=options.purge)
    return 0


def _status(where: layout.ClusterLayout, _: argparse.Namespace) -> int:
    for daemon in recorded(Sandbox(where)):
        print(f"{'runs' if daemon.is_alive() else 'ENDED':<6} {daemon.name:<36} {daemon.log}")
    problem = cluster.status(where)
    print(f"cluster {where.name}: {problem or f'healthy, {where.api_url}'}")
    return 1 if problem else 0


def _enter(where: layout.ClusterLayout, options: argparse.Namespace) -> int:
    given = options.command[1:] if options.command[:1] == ["--"] else options.command
    argv = given or [os.environ.get("SHELL", "/bin/sh")]
    return subprocess.run(Sandbox(where).command(argv), check=False).returncode


def _forward(where: layout.ClusterLayout, options: argparse.Namespace) -> int:
    host, _, port = options.target.rpartition(":")
    cluster.forward_port(where, options.port, host, int(port))
    print(f"127.0.0.1:{options.port} leads to {options.target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
