"""Users of a real Weaviate, made and removed as the operator does it."""

from __future__ import annotations

from moorage_operator.runtime.clock import SystemClock
from moorage_operator.runtime.storeusers import Stores
from tests.support.weaviate import WeaviateServer

NAMESPACE = "tenant-acme"


def stores(server: WeaviateServer) -> Stores:
    """Return the operator's way to talk to a store that is this one."""
    return Stores(SystemClock(), lambda _: f"http://127.0.0.1:{server.http_port}")


async def make(server: WeaviateServer, user: str) -> str:
    """Make a user and return its key; one that is there gets another key."""
    async with stores(server) as talk:
        return await talk.make(NAMESPACE, server.next_key, user)


async def keep_only(server: WeaviateServer, user: str) -> None:
    """Remove every other user."""
    async with stores(server) as talk:
        await talk.keep_only(NAMESPACE, server.next_key, user)
