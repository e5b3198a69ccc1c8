"""Assembles the runtime and keeps its tasks: clients, informers, queue, lease, workers, metrics.

Separate so that the Kopf shell starts and stops one thing, and so that tests can run the same thing without Kopf.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from prometheus_client import start_http_server

from moorage_operator.metrics import Metrics, Observed
from moorage_operator.reconcile import Proxy, TenantRules
from moorage_operator.reconcile import Settings as ReconcileSettings
from moorage_operator.runtime import watched
from moorage_operator.runtime.apply import Executor
from moorage_operator.runtime.client import Client
from moorage_operator.runtime.clock import Clock, SystemClock
from moorage_operator.runtime.events import Recorder
from moorage_operator.runtime.gateways import Gateways
from moorage_operator.runtime.informer import Informer
from moorage_operator.runtime.lease import Elector
from moorage_operator.runtime.log import fields
from moorage_operator.runtime.pace import Pace
from moorage_operator.runtime.queue import WorkQueue
from moorage_operator.runtime.reconciler import Reconciler, decisions
from moorage_operator.runtime.store import Store
from moorage_operator.runtime.storeusers import Stores, address_of
from moorage_operator.runtime.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from moorage_operator.runtime.connection import Connection
    from moorage_operator.settings import Settings

LISTS = 3
"""Kinds listed at the same time."""
LEASE_CONNECTIONS = 2
"""The Lease has connections of its own: it must never wait behind the work that it permits."""
PATIENCE = 10.0
"""Seconds for which a start is held up at most: the API server may be away, and the liveness probe allows 60."""

_log = logging.getLogger(__name__)


class Process:
    """The runtime of one operator process; ``start`` and ``stop`` belong to the shell.

    ``on_death`` is called when one of the tasks ends by itself, which none should. ``store_address`` says where the
    vector store of a namespace listens; another one than the default is for clusters that are not real.
    """

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        on_death: Callable[[], None],
        clock: Clock | None = None,
        store_address: Callable[[str], str] = address_of,
    ) -> None:
        self._settings = settings
        self._on_death = on_death
        self._clock = clock or SystemClock()
        self._store_address = store_address
        self._clients = contextlib.AsyncExitStack()
        self._connection = connection
        self._tasks: list[asyncio.Task[None]] = []
        self._metrics = Metrics()
        self._store = Store()
        self._queue = WorkQueue(self._clock)
        self._turns = Turns(self._store, self._clock, settings.upgrade_budget)
        self._informers: list[Informer] = []
        self._elector: Elector | None = None
        self._marks: tuple[asyncio.Event, ...] = ()
        self._reconciler: Reconciler | None = None

    async def start(self) -> None:
        """Open connections and start every task; returns at once, long before anything is known."""
        watches = await self._client(len(watched.ALL) + LISTS)
        writes = await self._client(2 * self._settings.workers)
        lease = await self._client(LEASE_CONNECTIONS)
        recorder = Recorder(writes, self._metrics, self._clock, self._settings.pod_name)
        figures = await self._clients.enter_async_context(
            Gateways(writes, self._settings.system_namespace, self._clock, self._queue.add)
        )
        stores = await self._clients.enter_async_context(Stores(self._clock, self._store_address))
        self._reconciler = self._join(writes, stores, recorder, figures)
        self._informers = self._inform(watches, self._reconciler)
        self._elector = Elector(lease, self._settings.system_namespace, self._settings.pod_name, self._clock)
        self._marks = (self._elector.refused, self._reconciler.caught_up)
        self._serve_metrics(self._elector)
        for informer in self._informers:
            self._spawn(informer.run(), f"informer {informer.watched.name}")
        self._spawn(recorder.run(), "events")
        self._spawn(self._elect(self._elector, self._reconciler), "lease")

    async def ready(self) -> None:
        """Wait until a standby could take over, or a leader has looked at every tenant; no longer than ``PATIENCE``."""
        waiting = [asyncio.create_task(mark.wait()) for mark in self._marks]
        try:
            await asyncio.wait(waiting, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()

    async def stop(self) -> None:
        """End every task, releasing the Lease, and close every connection."""
        for task in self._tasks:
            task.remove_done_callback(self._ended)
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._clients.aclose()

    def has_seen(self, kind: str, version: int) -> bool:
        """Tell whether our own watch has told of everything of a kind up to that version.

        At a start Kopf tells of every object seconds after our lists did; all tenants would be compared twice.
        """
        return self._store.has_seen(kind, version)

    def heard(self, tenant: str) -> None:
        """Take an event of Kopf's about a tenant's object that our own watch has not told of: ask for work."""
        if self._reconciler is not None:
            self._reconciler.ask(tenant)

    def silence(self) -> float:
        """Return for how many seconds none of the watches has heard anything, and 0 before the first."""
        return min((informer.age for informer in self._informers), default=0.0)

    async def _client(self, connections: int) -> Client:
        return await self._clients.enter_async_context(Client(self._connection, connections))

    def _join(self, writes: Client, stores: Stores, recorder: Recorder, figures: Gateways) -> Reconciler:
        executor = Executor(
            api=writes,
            store=self._store,
            stores=stores,
            recorder=recorder,
            metrics=self._metrics,
            pace=Pace(self._clock),
            clock=self._clock,
        )
        return Reconciler(
            queue=self._queue,
            store=self._store,
            executor=executor,
            decisions=decisions(reconcile_settings(self._settings)),
            turns=self._turns,
            metrics=self._metrics,
            clock=self._clock,
            workers=self._settings.workers,
            resync_seconds=self._settings.resync_seconds,
            figures=figures,
        )

    def _inform(self, watches: Client, reconciler: Reconciler) -> list[Informer]:
        lists = asyncio.Semaphore(LISTS)
        return [
            Informer(
                watched=one,
                cache=self._store.caches[one.name],
                client=watches,
                on_change=reconciler.changed,
                clock=self._clock,
                lists=lists,
            )
            for one in watched.ALL
        ]

    async def _elect(self, elector: Elector, reconciler: Reconciler) -> None:
        """Ask for the Lease once everything is known: a process that cannot read shall not keep others from writing."""
        for informer in self._informers:
            await informer.synced.wait()
        _log.info("synced", extra=fields(tenants=len(self._store.tenants())))
        await elector.run(reconciler.lead)

    def _serve_metrics(self, elector: Elector) -> None:
        tenants = self._store.caches[watched.TENANTS.name]
        self._metrics.expose(
            Observed(
                depth=lambda: len(self._queue),
                delayed=lambda: self._queue.delayed,
                is_leader=lambda: elector.is_leader,
                informer_ages=lambda: {one.watched.name: one.age for one in self._informers},
                tenants=lambda: len(tenants),
                upgrades_queued=lambda: len(self._turns),
            )
        )
        server, _ = start_http_server(
            self._settings.metrics_port, self._settings.listen_address, registry=self._metrics.registry
        )
        self._clients.callback(server.server_close)
        self._clients.callback(server.shutdown)

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        _log.error("task ended by itself", extra=fields(task=task.get_name()), exc_info=error)
        self._on_death()


def reconcile_settings(settings: Settings) -> ReconcileSettings:
    """Return the part of the settings that decides what tenants get."""
    return ReconcileSettings(
        system_namespace=settings.system_namespace,
        operator_service_account=settings.operator_service_account,
        triton_image=settings.triton_image,
        agent_image=settings.agent_image,
        weaviate_image=settings.weaviate_image,
        image_pull_policy=settings.image_pull_policy,
        dns_namespace=settings.dns_namespace,
        cluster_cidrs=settings.cluster_cidrs,
        proxy=Proxy(
            url=settings.agent_https_proxy or "",
            past=settings.agent_no_proxy,
            cidrs=settings.agent_proxy_cidrs,
        ),
        tenants=TenantRules(
            storage_classes=settings.tenant_storage_classes,
            runtime_classes=settings.tenant_runtime_classes,
            python_needs_runtime_class=settings.python_needs_runtime_class,
            pull_secrets=settings.tenant_pull_secrets,
            ca_bundle=settings.tenant_ca_bundle or "",
        ),
    )
