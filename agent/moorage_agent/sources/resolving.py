"""Resolve names and let through only addresses that the rules allow, so that the checked address is the one used.

Separate because aiohttp connects to exactly what its resolver returns: this is where an address is pinned, with
SNI and Host still the name's.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from aiohttp.abc import AbstractResolver, ResolveResult
from typing_extensions import override

if TYPE_CHECKING:
    from moorage_agent.sources.addresses import AddressRules


class CheckedResolver(AbstractResolver):
    """Another resolver's answers, all of them checked."""

    def __init__(self, inner: AbstractResolver, rules: AddressRules) -> None:
        self._inner = inner
        self._rules = rules

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the answers; one refused address refuses them all, since a client may fall back to any."""
        answers = await self._inner.resolve(host, port, family)
        for answer in answers:
            self._rules.check(answer["host"], port, host)
        return answers

    @override
    async def close(self) -> None:
        """Close the resolver that was asked."""
        await self._inner.close()
