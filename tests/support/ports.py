"""Ports of the loopback for servers that a test starts.

Below the range from which the kernel takes ports for connections: one that it deems free there may be a connection's
a moment later, before the server that it was meant for has bound it.
"""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack
from typing import Final

_RANGE: Final = range(20_000, 32_000)


def free_ports(count: int) -> list[int]:
    """Return as many ports as asked for that nothing listens on, all different."""
    with ExitStack() as held:
        return [_bound(held.enter_context(socket.socket())) for _ in range(count)]


def _bound(one: socket.socket) -> int:
    while True:
        port = random.choice(_RANGE)  # noqa: S311 # spreads tests that run side by side, guards nothing
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            continue
        return port
