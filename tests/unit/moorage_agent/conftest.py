"""The agent's tests run in the agent's own environment, whose grpcio no other package of ours agrees with.

Elsewhere nothing is collected here: see requirements/agent-dev.txt and ``make unit``.
"""

from __future__ import annotations

from importlib.metadata import version

_AGENTS_GRPCIO = (1, 81)
"""Generated code of the tritonclient refuses to be imported with an older one."""

if tuple(int(part) for part in version("grpcio").split(".")[:2]) < _AGENTS_GRPCIO:
    collect_ignore_glob = ["test_*.py"]
