"""What the pod template tells the agent, read once from the environment.

Separate so that nothing else reads the environment, and a missing value ends the process before it does anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TYPE_CHECKING

from moorage_crds import names
from moorage_crds.schema import PROXY_URL

if TYPE_CHECKING:
    from collections.abc import Mapping

    Network = IPv4Network | IPv6Network

_POWERS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_REQUIRED = (
    "POD_NAME",
    "POD_UID",
    "POD_NAMESPACE",
    "TRITON_INFERENCE_KEY",
    "TRITON_MANAGEMENT_KEY",
    "KUBERNETES_SERVICE_HOST",
)


class SettingsError(ValueError):
    """The environment lacks a value or holds one that cannot be read."""


@dataclass(frozen=True)
class Settings:
    """The agent's settings."""

    pod: str
    """``POD_NAME``: key of the agent's entry in status, and part of its field manager."""
    pod_uid: str
    """``POD_UID``: what the gateway routes by."""
    namespace: str
    """``POD_NAMESPACE``: the tenant namespace, the only one the agent looks at."""
    inference_key: str = field(repr=False)
    """``TRITON_INFERENCE_KEY``: opens model configurations, from which stamps are read back."""
    management_key: str = field(repr=False)
    """``TRITON_MANAGEMENT_KEY``: opens load, unload and the index."""
    api_url: str
    """Base of the API server, from ``KUBERNETES_SERVICE_HOST`` and ``KUBERNETES_SERVICE_PORT``."""
    triton: str = f"127.0.0.1:{names.TRITON_GRPC_PORT}"
    """``TRITON_GRPC``: host and port of Triton's gRPC."""
    account: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount")
    """``MOORAGE_ACCOUNT_DIR``: folder of the projected ``token`` and ``ca.crt``."""
    store: Path = Path("/store")
    """``MOORAGE_STORE``: the volume shared with Triton."""
    store_limit: int = 10 * 2**30
    """``MOORAGE_STORE_LIMIT``: size of that volume, a Kubernetes quantity, here bytes. Beyond it the pod is evicted."""
    claims: Path = Path(names.CLAIMS_FOLDER)
    """``MOORAGE_CLAIMS``: folder of the claims that the Tenant lets its pods mount, one folder each."""
    allowed: tuple[Network, ...] = ()
    """``MOORAGE_ALLOWED_CIDRS``: ranges that sources may lead to although they are not public."""
    denied: tuple[Network, ...] = ()
    """``MOORAGE_DENIED_CIDRS``: the cluster's own ranges, refused even where they are public."""
    authorities: str = ""
    """``MOORAGE_CA_BUNDLE``: PEM certificates of authorities that sources' servers may show besides the public ones."""
    https_proxy: str = ""
    """``MOORAGE_HTTPS_PROXY``: ``http://host:port`` of the proxy that sources are fetched through, if there is one."""
    no_proxy: tuple[str, ...] = ()
    """``MOORAGE_NO_PROXY``: hosts and address ranges that sources are fetched from without it, comma between."""
    load_timeout: float = 600.0
    """``MOORAGE_LOAD_TIMEOUT``, seconds: Triton never gives up a load whose process has died; somebody has to."""
    host: str | None = None
    """``MOORAGE_HTTP_HOST``: address of the probes; absent is every address, since the kubelet calls from outside."""
    port: int = names.AGENT_PORT
    """``MOORAGE_HTTP_PORT``: port of the probes and metrics."""


def from_env(env: Mapping[str, str]) -> Settings:
    """Return the settings; raises SettingsError that names every missing variable at once."""
    missing = [name for name in _REQUIRED if not env.get(name)]
    if missing:
        raise SettingsError(f"missing in the environment: {', '.join(missing)}")
    default = Settings
    return Settings(
        pod=env["POD_NAME"],
        pod_uid=env["POD_UID"],
        namespace=env["POD_NAMESPACE"],
        inference_key=env["TRITON_INFERENCE_KEY"],
        management_key=env["TRITON_MANAGEMENT_KEY"],
        api_url=_api_url(env["KUBERNETES_SERVICE_HOST"], env.get("KUBERNETES_SERVICE_PORT", "443")),
        triton=env.get("TRITON_GRPC", default.triton),
        account=Path(env.get("MOORAGE_ACCOUNT_DIR", default.account)),
        store=Path(env.get("MOORAGE_STORE", default.store)),
        store_limit=_quantity(env.get("MOORAGE_STORE_LIMIT", str(default.store_limit))),
        claims=Path(env.get("MOORAGE_CLAIMS", default.claims)),
        allowed=_networks(env.get("MOORAGE_ALLOWED_CIDRS", "")),
        denied=_networks(env.get("MOORAGE_DENIED_CIDRS", "")),
        authorities=env.get("MOORAGE_CA_BUNDLE", ""),
        https_proxy=_proxy(env.get("MOORAGE_HTTPS_PROXY", "")),
        no_proxy=tuple(part.strip() for part in env.get("MOORAGE_NO_PROXY", "").split(",") if part.strip()),
        load_timeout=float(env.get("MOORAGE_LOAD_TIMEOUT", default.load_timeout)),
        host=env.get("MOORAGE_HTTP_HOST") or None,
        port=int(env.get("MOORAGE_HTTP_PORT", default.port)),
    )


def _api_url(host: str, port: str) -> str:
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def _proxy(url: str) -> str:
    if url and not re.fullmatch(PROXY_URL, url):
        raise SettingsError("expected the address of a proxy such as http://proxy.example:3128")
    return url


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise SettingsError(f"expected a comma list of address ranges: {error}") from error


def _quantity(text: str) -> int:
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([kMGT]|[KMGT]i)?", text)
    if not found:
        raise SettingsError(f"expected a size such as 10Gi, not {text!r}")
    return int(float(found[1]) * _POWERS[found[2] or ""])
