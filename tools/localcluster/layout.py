"""Every path, port, address range and name of one local cluster, derived from its name and index.

Separate so that two clusters can be proven disjoint without starting either: no other module invents a
port, a folder or a range.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

MAX_INDEX = 9
"""Ranges and ports are spaced for this many clusters side by side."""

SHORT = Path("/run/moorage")
"""Where the state folder appears inside a cluster, so that socket paths stay far below the kernel's 107
characters however deep the cache is."""

CONTAINERD_SOCKET = Path("/run/containerd/containerd.sock")
"""The same inside every cluster: each has a /run of its own."""

API_PORT_INSIDE = 6443
METRICS_PORT = 4443
"""Where metrics-server answers the API server, inside as well."""


def cache_root() -> Path:
    """Return the folder that holds built tools and cluster state: ``MOORAGE_CACHE`` or one in the home."""
    chosen = os.environ.get("MOORAGE_CACHE")
    return Path(chosen).resolve() if chosen else Path.home() / ".cache" / "moorage"


@dataclass(frozen=True)
class ClusterLayout:
    """Where one cluster lives. Clusters with different names and indexes share nothing."""

    name: str
    index: int
    cache: Path = field(default_factory=cache_root)

    def __post_init__(self) -> None:
        """Refuse what would overlap with another cluster or break a path."""
        if not 0 <= self.index <= MAX_INDEX:
            raise ValueError(f"cluster {self.name}: index must be 0..{MAX_INDEX}, not {self.index}")
        if not self.name.replace("-", "").isalnum():
            raise ValueError(f"cluster name must be letters, digits and dashes, not {self.name!r}")

    # Folders and files, as the machine sees them.

    @property
    def state(self) -> Path:
        """Return the folder of everything this cluster writes."""
        return self.cache / "clusters" / self.name

    @property
    def lock(self) -> Path:
        """Return the file that serialises ``up`` and ``down``; outside the state, which ``down`` removes."""
        return self.cache / "clusters" / f"{self.name}.lock"

    @property
    def kubeconfig(self) -> Path:
        """Return the administrator's kubeconfig; its context is the cluster's name."""
        return self.state / "kubeconfig"

    @property
    def pki(self) -> Path:
        """Return the folder of certificates and keys."""
        return self.state / "pki"

    @property
    def logs(self) -> Path:
        """Return the folder with one log per daemon."""
        return self.state / "log"

    @property
    def audit_log(self) -> Path:
        """Return the API server's record of requests, which a cluster keeps when asked to."""
        return self.logs / "audit.log"

    @property
    def processes(self) -> Path:
        """Return the folder with one record per daemon."""
        return self.state / "processes"

    @property
    def images(self) -> Path:
        """Return containerd's store, the one thing ``down`` keeps unless told otherwise."""
        return self.state / "containerd"

    @property
    def archives(self) -> Path:
        """Return the folder of the images every cluster needs for itself, shared by all clusters of one cache."""
        return self.cache / "system-images"

    def inside(self, path: Path) -> Path:
        """Return how processes of the cluster see a path of the state folder."""
        return SHORT / path.relative_to(self.state)

    # Addresses, all of them in the cluster's own network namespace.

    @property
    def service_range(self) -> IPv4Network:
        """Return the range of Service addresses."""
        return IPv4Network(f"10.{96 + self.index}.0.0/16")

    @property
    def pod_range(self) -> IPv4Network:
        """Return the range of pod addresses."""
        return IPv4Network(f"10.{244 + self.index}.0.0/16")

    @property
    def node_range(self) -> IPv4Network:
        """Return the four addresses of the node's interface."""
        return IPv4Network(f"10.199.{self.index}.0/30")

    @property
    def ranges(self) -> tuple[IPv4Network, ...]:
        """Return all address ranges in use."""
        return (self.service_range, self.pod_range, self.node_range)

    @property
    def node_ip(self) -> IPv4Address:
        """Return the node's address."""
        return self.node_range[2]

    @property
    def api_service_ip(self) -> IPv4Address:
        """Return the address of the Service ``kubernetes``, always the first of the range."""
        return self.service_range[1]

    @property
    def dns_ip(self) -> IPv4Address:
        """Return the address of the cluster's DNS."""
        return self.service_range[10]

    # Ports on the machine's loopback.

    @property
    def api_port(self) -> int:
        """Return the loopback port that leads to the API server."""
        return 16443 + 100 * self.index

    @property
    def gateway_port(self) -> int:
        """Return the loopback port kept for the product's own front door."""
        return 18080 + 100 * self.index

    @property
    def ports(self) -> tuple[int, ...]:
        """Return every loopback port this cluster may listen on."""
        return (self.api_port, self.gateway_port)

    @property
    def api_url(self) -> str:
        """Return where the machine reaches the API server."""
        return f"https://127.0.0.1:{self.api_port}"

    # Names the kernel knows.

    @property
    def cgroup(self) -> str:
        """Return the parent of all pods' cgroups: cgroups are the machine's, and a kubelet removes strangers'."""
        return f"/{self.name}"

    @property
    def node_interface(self) -> str:
        """Return the interface that holds the node's address."""
        return "node0"

    @property
    def node(self) -> str:
        """Return the node's name."""
        return self.name


KNOWN = {"moorage-local": 0, "moorage-test": 1}
"""The clusters of ``make up`` and ``make test``; any other name needs an index of its own."""


def named(name: str, index: int | None = None) -> ClusterLayout:
    """Return a known cluster's layout, or another's whose index is given."""
    found = KNOWN.get(name) if index is None else index
    if found is None:
        raise ValueError(f"cluster {name!r} is not one of {', '.join(KNOWN)}; give it an index of 2..{MAX_INDEX}")
    return ClusterLayout(name, found)
