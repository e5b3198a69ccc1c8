"""Which sources are fetched through the platform's HTTP proxy, and what the proxy may be asked for.

Separate because a proxy takes the checked resolver's part: names are resolved behind it, and nothing of ours sees the
address. So it is asked for public names alone, on the port of https; where these lead is the proxy's own to check.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from moorage_agent.errors import AddressRefusedError, FetchError

if TYPE_CHECKING:
    from yarl import URL

_HTTPS_PORT = 443
_INSIDE = ("localhost", "local", "internal", "svc", "home.arpa")
"""Ends of names that mean something inside only: of the cluster, the cloud or the building."""
_TOP_LEVEL = re.compile(r"[a-z][a-z0-9-]*")
"""What a public name ends with; a number there is an address in one of its many spellings."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy that knows CONNECT."""

    url: URL
    past: tuple[str, ...] = ()
    """Hosts that are reached without it: names, with everything below them, and address ranges."""

    def serves(self, host: str) -> bool:
        """Return whether a host is reached through it."""
        return not any(_is_below(_plain(host), entry) for entry in self.past)

    def check(self, url: URL) -> None:
        """Refuse what it must not be asked for; a literal address has been checked before."""
        host = _plain(url.host or "")
        if not _is_literal(host) and not _is_public_name(host):
            raise AddressRefusedError(f"{url.host} is no public name, and it is reached through a proxy")
        if url.port != _HTTPS_PORT:
            raise FetchError(f"{url.host}: expected port {_HTTPS_PORT} through a proxy, got {url.port}")


def _plain(host: str) -> str:
    return host.lower().rstrip(".")


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_public_name(host: str) -> bool:
    _, dot, last = host.rpartition(".")
    return bool(dot and _TOP_LEVEL.fullmatch(last)) and not any(_is_below(host, name) for name in _INSIDE)


def _is_below(host: str, entry: str) -> bool:
    """Return whether an entry means a host: its own name, one above it, or a range that holds its address."""
    try:
        return ip_address(host) in ip_network(entry, strict=False)
    except ValueError:
        name = _plain(entry).removeprefix("*").removeprefix(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))
