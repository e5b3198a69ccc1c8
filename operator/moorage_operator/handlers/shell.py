"""Every handler that Kopf gets, on a registry of its own.

Separate from the start of the process so that the list of handlers is one page. None decides anything.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import kopf

from moorage_crds import GROUP, VERSION, names
from moorage_crds.modeldeployment import ModelDeployment
from moorage_crds.tenant import Tenant
from moorage_operator.handlers.storages import NoDiffBase, NoProgress

if TYPE_CHECKING:
    from collections.abc import Callable

    from moorage_operator.runtime.connection import Connection
    from moorage_operator.runtime.process import Process


UNUSED_FINALIZER = f"{GROUP}/kopf"
"""Kopf's own finalizer, which no object ever carries. It must not be the Tenants' real one: Kopf takes its finalizer
away from every object that none of its handlers needs it for, and ours would come and go some thirty times a second."""

_LEFT_BEHIND = "pause-waiter for "
"""How Kopf names the tasks that wait for a peer's word to pause; there are no peers."""


def registry(process: Process, connection: Connection) -> kopf.OperatorRegistry:
    """Return Kopf's handlers around one process."""
    handlers = kopf.OperatorRegistry()
    _add_lifecycle(handlers, process, connection)
    _add_events(handlers, process)
    return handlers


def configure(settings: kopf.OperatorSettings) -> None:
    """Switch off what Kopf would write, scan or wait for on its own; every figure is in seconds."""
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    settings.persistence.finalizer = UNUSED_FINALIZER
    settings.persistence.progress_storage = NoProgress()
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.queueing.exit_timeout = 0.5
    # Each object told of keeps a task and its whole body for so long; a start tells of all of them.
    settings.queueing.idle_timeout = 0.1
    settings.watching.chunk_size = 100
    settings.process.ultimate_exiting_timeout = 30


def end_waiters() -> None:
    """End what Kopf leaves behind when it is told to stop while events come in: it would wait 5 s for it."""
    for task in asyncio.all_tasks():
        if task.get_name().startswith(_LEFT_BEHIND):
            task.cancel()


def _add_lifecycle(handlers: kopf.OperatorRegistry, process: Process, connection: Connection) -> None:
    @kopf.on.login(registry=handlers)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(
            server=connection.server,
            ca_data=connection.ca,
            token=connection.token.read(),
            certificate_data=connection.certificate,
            private_key_data=connection.private_key,
        )

    @kopf.on.startup(registry=handlers)
    async def startup(**_: Any) -> None:
        """Let probes and watches of Kopf's in once this process has taken its place.

        A rollout then ends the old leader when the new process can take over, and what Kopf tells first is no news: it
        takes a millisecond of every object, in which a tenant could be looked at.
        """
        try:
            await process.start()
            await process.ready()
        except asyncio.CancelledError:
            # Kopf cleans up after a start that came to its end, and waits 5 s for what else it finds.
            await process.stop()
            raise

    @kopf.on.cleanup(registry=handlers)
    async def cleanup(**_: Any) -> None:
        await process.stop()
        end_waiters()

    # For people alone. The probe fails when the event loop does not answer; an API server that is gone is no reason
    # to restart, and a task that ends by itself ends the process.
    @kopf.on.probe(registry=handlers, id="silence")
    async def silence(**_: Any) -> float:
        return process.silence()


def _add_events(handlers: kopf.OperatorRegistry, process: Process) -> None:
    def news_of(kind: str) -> Callable[..., bool]:
        """Return a filter: a handler's call costs four times as much, and nearly all that Kopf tells is known."""

        def is_news(meta: kopf.Meta, **_: Any) -> bool:
            return not process.has_seen(kind, int(meta["resourceVersion"]))

        return is_news

    @kopf.on.event(GROUP, VERSION, Tenant.PLURAL, registry=handlers, when=news_of(Tenant.KIND))
    async def tenant_changed(name: str, **_: Any) -> None:
        process.heard(name)

    @kopf.on.event(GROUP, VERSION, ModelDeployment.PLURAL, registry=handlers, when=news_of(ModelDeployment.KIND))
    async def model_changed(namespace: str | None, **_: Any) -> None:
        tenant = names.tenant_of_namespace(namespace or "")
        if tenant is not None:
            process.heard(tenant)
