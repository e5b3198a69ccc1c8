"""Which network addresses a tenant's source may lead to.

Separate because it is the fence between a tenant's free text and the cluster's own network: short, pure and
tested by tables. The check runs on the addresses that are then connected to, never on names.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING

from moorage_agent.errors import AddressRefusedError, FetchError

if TYPE_CHECKING:
    from yarl import URL

    from moorage_agent.settings import Network

_HTTPS_PORT = 443
_NAT64 = IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")


@dataclass(frozen=True)
class AddressRules:
    """Public addresses on port 443, and whatever is explicitly allowed."""

    allowed: tuple[Network, ...] = ()
    """Ranges reachable on every port, public or not; wins over everything below."""
    denied: tuple[Network, ...] = ()
    """Ranges refused although they look public: the cluster's own."""

    def check_url(self, url: URL) -> None:
        """Refuse an address that no resolver will see: another scheme, credentials in it, a literal address."""
        if url.scheme != "https" or not url.host:
            raise AddressRefusedError("the source leads to an address that is not https")
        if url.user is not None or url.password is not None:
            raise AddressRefusedError("the source's address must not hold a user or password")
        try:
            literal = ip_address(url.host)
        except ValueError:
            return
        self.check(str(literal), url.port or _HTTPS_PORT, url.host)

    def opens(self, host: str) -> bool:
        """Return whether a host is a literal address in a range that is explicitly allowed."""
        try:
            found = ip_address(host)
        except ValueError:
            return False
        return any(found in network for network in self.allowed)

    def check(self, address: str, port: int, host: str) -> None:
        """Refuse an address and port. The message names ``host`` and not the address, which tells of the inside."""
        found = ip_address(address.partition("%")[0])
        if any(found in network for network in self.allowed if network.version == found.version):
            return
        inner = _embedded(found)
        if any(not _is_public(each) or self._is_denied(each) for each in {found, inner}):
            raise AddressRefusedError(f"{host} is not a public address, and no allowed range holds it")
        if port != _HTTPS_PORT:
            raise FetchError(f"{host}: expected port {_HTTPS_PORT} of a public address, got {port}")

    def _is_denied(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self.denied if network.version == address.version)


def _embedded(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 address leads to, or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo or address


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        # The ipaddress module calls mapped addresses private; the embedded address decides about those.
        if address.ipv4_mapped:
            return True
        if address.is_site_local or address in _NAT64_LOCAL:
            return False
        if address in _NAT64:
            return True
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
