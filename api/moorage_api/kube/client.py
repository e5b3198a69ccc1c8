"""The connection to the API server: the pod's service account, or a kubeconfig outside a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from moorage_api.settings import Settings


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[ApiClient]:
    """Connect as ``KUBECONFIG`` says, or as the pod's service account; nothing is sent before the first call."""
    configuration = Configuration()
    if settings.kubeconfig is None:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # untyped client
    else:
        await config.load_kube_config(str(settings.kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]  # untyped client
    # Repeating is decided where it is known to be safe, not by the transport. False would not do: taken for the number
    # 0 it means for ever, and a read that an API server answers with 500 would never end.
    configuration.retries = None
    async with ApiClient(configuration) as api:
        yield api
    # TLS connections end in the loop's next round; a loop that ends before leaves their sockets to the collector.
    await asyncio.sleep(0)
