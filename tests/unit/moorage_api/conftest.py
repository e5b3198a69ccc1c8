"""An API without a cluster: tests put what the cluster would hold into the cache themselves."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING

import pytest

from moorage_api.observability import logs
from tests.support import api as support

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True, scope="session")
def _logs() -> Iterator[None]:
    """Log as the server does, but to nowhere."""
    handler = logs.configure("INFO", io.StringIO())
    yield
    logging.getLogger().removeHandler(handler)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[support.Api]:
    """A running API with an empty database and no cluster."""
    async with (
        support.nowhere() as kubernetes,
        support.serving(support.settings(tmp_path), kubernetes, watch=False) as running,
    ):
        yield running
