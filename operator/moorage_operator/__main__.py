"""``python -m moorage_operator``: settings, logs, and Kopf around our process."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys

import kopf
from pydantic import ValidationError

from moorage_operator.handlers import shell
from moorage_operator.runtime import connection, log
from moorage_operator.runtime.process import Process
from moorage_operator.settings import PREFIX, Settings

COLLECT_EVERY = 20_000
"""Containers made until Python looks for cycles among the young ones. Decoding one page of a list makes as many, none
of them in a cycle; looking after every 700, as is the default, takes a third of the time in which lists are read."""

_log = logging.getLogger("moorage_operator")


async def run(settings: Settings, where: connection.Connection) -> bool:
    """Run until a signal; returns whether the end was asked for, False when a task of ours died."""
    died: list[bool] = []

    def die() -> None:
        """End as by a signal: Kopf's own stop flag leaves a task behind, for which it waits 5 s at each exit."""
        died.append(True)
        signal.raise_signal(signal.SIGTERM)

    process = Process(settings, where, die)
    kopf_settings = kopf.OperatorSettings()
    shell.configure(kopf_settings)
    await kopf.operator(
        registry=shell.registry(process, where),
        settings=kopf_settings,
        clusterwide=True,
        standalone=True,
        # A name for peers we do not have; without it Kopf asks for the user's, which a container may lack.
        identity=settings.pod_name,  # type: ignore[arg-type]  # Kopf's own str type is not public
        liveness_endpoint=f"http://{settings.listen_address}:{settings.health_port}/healthz",
    )
    return not died


def main() -> None:
    """Start the operator; exits 1 when a task of ours died and 2 when it cannot start as told."""
    log.configure()
    gc.set_threshold(COLLECT_EVERY, *gc.get_threshold()[1:])
    try:
        settings = Settings.from_environment(os.environ)
        where = connection.find(os.environ)
    except ValidationError as error:
        sys.exit(_refuse(f"environment: {_explain(error)}"))
    except connection.LoginError as error:
        sys.exit(_refuse(str(error)))
    if not asyncio.run(run(settings, where)):
        sys.exit(1)


def _refuse(reason: str) -> int:
    _log.error(reason)
    return 2


def _explain(error: ValidationError) -> str:
    """Return which variables are wrong and why, without their values."""
    wrong = error.errors(include_input=False, include_url=False)
    return "; ".join(f"{PREFIX}{'_'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in wrong)


if __name__ == "__main__":
    main()
