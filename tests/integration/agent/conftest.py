"""The agent as a process beside a real Triton: in the agent's environment, whose grpcio nothing else agrees with.

What needs the agent's environment is collected there alone, and the test against a real API server everywhere else:

    pytest tests/integration/agent --confcutdir=tests/integration/agent     # the agent's environment
    pytest tests/integration/agent                                          # the development environment
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_AGENTS_GRPCIO = (1, 81)
_IS_AGENTS = tuple(int(part) for part in version("grpcio").split(".")[:2]) >= _AGENTS_GRPCIO

if _IS_AGENTS:
    from tests.integration.agent.stack import Stack

    collect_ignore = ["test_status.py"]

    @pytest.fixture
    async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
        """A pod's worth of processes: an API server's protocol, Triton and the agent, none of them started."""
        async with Stack.open(tmp_path) as made:
            yield made

else:
    collect_ignore_glob = ["test_triton_*.py"]
