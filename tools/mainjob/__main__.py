"""The command line: ``PYTHONPATH=tools python3 -m mainjob up|down``."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING

from localcluster import layout
from localcluster.daemons import DaemonError
from localcluster.images import BuildError
from localcluster.packages import PackageError
from localcluster.progress import Progress
from localcluster.sandbox import SandboxError
from mainjob import clientenv, install, providers, quickstart, summary
from mainjob.kubectl import CommandError

if TYPE_CHECKING:
    from localcluster.layout import ClusterLayout
    from mainjob.providers import Provider

_EXPECTED = (BuildError, CommandError, DaemonError, PackageError, SandboxError, providers.NotReadyError, ValueError)
"""Failures whose message says all; anything else is a defect and shows its traceback."""


def main() -> int:
    """Run one verb and return its exit code."""
    options = _parser().parse_args()
    where = layout.named(options.cluster, options.index)
    try:
        provider = providers.named(options.provider, where)
        if options.verb == "down":
            provider.remove(Progress())
        else:
            _up(provider, where, Progress())
    except _EXPECTED as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mainjob", description=__doc__)
    parser.add_argument("verb", choices=["up", "down"])
    parser.add_argument("--cluster", default="moorage-local", help="the cluster's name (%(default)s)")
    parser.add_argument("--index", type=int, help="0..9, for a cluster that is neither moorage-local nor moorage-test")
    parser.add_argument("--provider", default="local", help="local, kind or current (%(default)s)")
    return parser


def _up(provider: Provider, where: ClusterLayout, progress: Progress) -> None:
    began = time.monotonic()
    provider.prepare(progress)
    values = provider.publish_images(progress)
    kubectl = provider.kubectl()
    with progress.step("install the chart", 20):
        install.install_chart(kubectl, values, os.environ.get("MOORAGE_VALUES"))
    with progress.step("apply the examples", 5):
        install.apply_examples(kubectl)
    with progress.step("wait until tenant and models are Ready", 30):
        install.wait_for_examples(kubectl)
    with progress.step("an environment for tritonclient", 20):
        clientenv.ensure(where.cache)
    key_file = where.state / "api-key"
    where.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    with provider.reach_api() as url:
        with progress.step("an API key for service account quickstart", 3):
            quickstart.ensure_key(kubectl, url, key_file)
        with progress.step("infer and search through the API", 10):
            quickstart.run(url, key_file)
        print(summary.text(kubectl, url, key_file, clientenv.python(where.cache), provider.opens(kubectl)))
    print(f"up in {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
