"""An event loop that has let go of its connections before a test ends it.

Separate because every suite that talks to real servers over aiohttp needs it: closing a TLS connection takes turns of
the loop that nobody waits for, above all where a request was cancelled. What is left over then is reported by the
garbage collector in the middle of some other test.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_CLOSING_SECONDS = 0.05


@pytest.fixture(autouse=True)
async def closed_connections() -> AsyncIterator[None]:
    """Wait after everything else of the test, since what is set up first is torn down last."""
    yield
    await asyncio.sleep(_CLOSING_SECONDS)
