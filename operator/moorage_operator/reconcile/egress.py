"""Where Triton pods may connect to, as ``ipBlock`` values of a NetworkPolicy.

Separate because what counts as public is a list that security reviews, not a part of building manifests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network
from typing import Any, Final
from urllib.parse import urlsplit

from moorage_crds.errors import InvalidInputError
from moorage_crds.tenant import Egress
from moorage_operator.reconcile.world import Proxy
from moorage_templates import Address

_NOT_PUBLIC_V4: Final = (
    "0.0.0.0/8",  # this network
    "10.0.0.0/8",  # private
    "100.64.0.0/10",  # carrier-grade NAT, node and pod ranges of several clouds
    "127.0.0.0/8",  # loopback
    "169.254.0.0/16",  # link-local, clouds' metadata services
    "172.16.0.0/12",  # private
    "192.0.0.0/24",  # protocol assignments
    "192.168.0.0/16",  # private
    "198.18.0.0/15",  # benchmarking
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved and broadcast
)
# IPv4-mapped addresses are not among them: the API server refuses them, and a host sends IPv4 for them.
_NOT_PUBLIC_V6: Final = (
    "::/96",  # unspecified, loopback, IPv4-compatible
    "64:ff9b::/96",  # NAT64, likewise
    "64:ff9b:1::/48",  # local NAT64
    "fc00::/7",  # private
    "fe80::/10",  # link-local
    "ff00::/8",  # multicast
)


def public_blocks(egress: Egress, cluster_cidrs: Iterable[str]) -> tuple[dict[str, Any], ...]:
    """Return the blocks reachable on port 443: all public addresses in mode PublicHTTPS, none in the others."""
    return _public_blocks(tuple(cluster_cidrs)) if egress.mode == "PublicHTTPS" else ()


@lru_cache(maxsize=8)
def _public_blocks(cluster_cidrs: tuple[str, ...]) -> tuple[dict[str, Any], ...]:
    networks = [_network(cidr, "cluster_cidrs") for cidr in cluster_cidrs]
    v4 = [ip for ip in networks if isinstance(ip, IPv4Network)] + [IPv4Network(cidr) for cidr in _NOT_PUBLIC_V4]
    v6 = [ip for ip in networks if isinstance(ip, IPv6Network)] + [IPv6Network(cidr) for cidr in _NOT_PUBLIC_V6]
    return (
        {"cidr": "0.0.0.0/0", "except": [str(ip) for ip in collapse_addresses(v4)]},
        {"cidr": "::/0", "except": [str(ip) for ip in collapse_addresses(v6)]},
    )


def listed_blocks(egress: Egress) -> tuple[Mapping[str, Any], ...]:
    """Return the blocks reachable on every port; raises InvalidInputError for a range that is none."""
    if egress.mode == "None":
        return ()
    return tuple({"cidr": str(_network(cidr, "spec.network.egress.cidrs"))} for cidr in egress.cidrs)


def proxy_blocks(egress: Egress, proxy: Proxy) -> tuple[Mapping[str, Any], ...]:
    """Return the blocks where the proxy is, for a tenant that may reach all that the proxy leads to."""
    if egress.mode != "PublicHTTPS" or not proxy.url:
        return ()
    return tuple({"cidr": str(_network(cidr, "agent.proxy.cidrs"))} for cidr in proxy.cidrs)


def proxy_port(proxy: Proxy) -> int:
    """Return the proxy's port, which its address always has; 0 without a proxy."""
    return urlsplit(proxy.url).port or 0


def addresses(endpoints: Iterable[tuple[str, int]]) -> tuple[Address, ...]:
    """Return hosts and ports as single-address ranges, in a stable order."""
    return tuple(Address(cidr=_host(ip), port=port) for ip, port in sorted(set(endpoints)))


def _host(ip: str) -> str:
    return f"{ip}/{ip_address(ip).max_prefixlen}"


def _network(cidr: str, field: str) -> IPv4Network | IPv6Network:
    """Return the network of a range, host bits cleared as the API server reads it."""
    try:
        return ip_network(cidr, strict=False)
    except ValueError as error:
        raise InvalidInputError(f"{field}: expected a range such as 203.0.113.0/24, got {cidr!r}") from error
