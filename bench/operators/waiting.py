"""Waiting for what only asking again can tell: an operator's metrics say no word by themselves.

Separate so that every wait is bounded alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

GLANCE = 0.25
"""Seconds between two looks."""
LIMIT = 600.0
"""Seconds after which a wait fails."""


async def until(is_so: Callable[[], Awaitable[bool]], limit: float = LIMIT) -> None:
    """Wait until something is so; raises TimeoutError."""
    async with asyncio.timeout(limit):
        while True:
            if await is_so():
                return
            await asyncio.sleep(GLANCE)
