"""Start the agent: settings, parts, signals.

Separate because it only assembles; it decides nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web
from yarl import URL

from moorage_agent import http, settings
from moorage_agent.kube import Kube
from moorage_agent.metrics import Metrics
from moorage_agent.report import Pod, Reporter
from moorage_agent.repository import Repository
from moorage_agent.sources import INLINE, Sources, trust
from moorage_agent.sources.addresses import AddressRules
from moorage_agent.sources.credentials import Keyring
from moorage_agent.sources.https import Https
from moorage_agent.sources.inline import Inline
from moorage_agent.sources.outside import Outside
from moorage_agent.sources.proxy import Proxy
from moorage_agent.sources.pvc import Pvc
from moorage_agent.sources.s3 import S3
from moorage_agent.sync import Sync
from moorage_agent.triton import Triton
from moorage_agent.watch import RevisionWatch

if TYPE_CHECKING:
    from moorage_agent.settings import Settings


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    try:
        found = settings.from_env(os.environ)
    except settings.SettingsError as error:
        sys.exit(f"moorage-agent: {error}")
    code = asyncio.new_event_loop().run_until_complete(_run(found))
    # Threads may still copy or unpack gigabytes, and the interpreter would wait for them. What they leave is
    # removed at the next start.
    logging.shutdown()
    os._exit(code)


async def _run(found: Settings) -> int:
    """Run every part; return 0 when told to stop, 1 when a part ended by itself."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stopped.set)
    stop = asyncio.create_task(stopped.wait())
    parts = asyncio.create_task(_serve(found))
    await asyncio.wait({stop, parts}, return_when=asyncio.FIRST_COMPLETED)
    if parts.done():
        logging.getLogger(__name__).error("the agent ended", exc_info=parts.exception())
        return 1
    return 0


async def _serve(found: Settings) -> None:
    metrics = Metrics()
    repository = Repository(found.store, found.store_limit)
    repository.open()
    async with aiohttp.ClientSession() as session:
        kube = Kube(session, found.api_url, found.namespace, found.account)
        reporter = Reporter(Pod(found.pod, found.pod_uid, found.namespace), kube, _timestamp, metrics)
        triton, sources = _triton(found), _sources(found, Keyring(kube))
        sync = Sync(repository, triton, sources, reports=reporter, metrics=metrics, clock=time.monotonic)
        watch = RevisionWatch(kube, sync.wake, metrics)
        runner = web.AppRunner(http.application(sync, metrics), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, found.host, found.port).start()
        async with asyncio.TaskGroup() as group:
            group.create_task(sync.run(watch))
            group.create_task(watch.run())
            group.create_task(reporter.run())


def _triton(found: Settings) -> Triton:
    return Triton(
        found.triton,
        inference_key=found.inference_key,
        management_key=found.management_key,
        load_timeout=found.load_timeout,
    )


def _sources(found: Settings, keyring: Keyring) -> Sources:
    rules = AddressRules(allowed=found.allowed, denied=found.denied)
    proxy = Proxy(URL(found.https_proxy), found.no_proxy) if found.https_proxy else None
    outside = Outside(rules, trust.context(found.authorities), proxy=proxy)
    return Sources(
        {INLINE: Inline(), "https": Https(outside, keyring), "s3": S3(outside, keyring, _now), "pvc": Pvc(found.claims)}
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _timestamp() -> str:
    return _now().strftime("%Y-%m-%dT%H:%M:%SZ")


if __name__ == "__main__":
    main()
