"""Where an external store is, and what of its Secret may be sent there: pure.

Separate because it is the fence around somebody's key: a Secret's label says that a store may use it, its annotation
where it may go. No error names a value.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from moorage_api.vectors.backends.weaviate.pool import Address
from moorage_api.vectors.errors import StoreCredentialsError
from moorage_crds import hosts, labels, names
from moorage_crds.tenant import ExternalStore

KEY: Final = "apiKey"
"""Key in the Secret."""
_CLOUD: Final = ".weaviate.cloud"
_OPAQUE: Final = "Opaque"
"""The only type: others are filled by Kubernetes, some with tokens of its own."""


@dataclass(frozen=True)
class StoreSecret:
    """A Secret that is meant for stores."""

    name: str
    hosts: frozenset[str]
    """Hosts it may be sent to, each with its port unless that is 443."""
    key: str = field(repr=False)

    def key_for(self, address: Address) -> str:
        """Return the key; raises StoreCredentialsError unless it may be sent to both hosts of the address."""
        host = self.unnamed_host(address)
        if host is not None:
            raise StoreCredentialsError(f"Secret {self.name} is not for {host}: see its annotation {labels.HOSTS}.")
        return self.key

    def unnamed_host(self, address: Address) -> str | None:
        """Return a host of the address that the key may not be sent to, None when it may be sent to both."""
        return next((host for host in _hosts_of(address) if host not in self.hosts), None)


def address(store: ExternalStore) -> Address:
    """Return where the store listens; without a gRPC address, where Weaviate Cloud or any other Weaviate has it."""
    host, port = _host_and_port(store.endpoint)
    grpc_host, grpc_port = _grpc(host, store.grpc_endpoint)
    return Address(host, port, grpc_port, grpc_host, is_secure=True)


def parse(manifest: Mapping[str, Any]) -> StoreSecret:
    """Return what a Secret holds for stores; raises StoreCredentialsError when it is not meant for them."""
    metadata = manifest["metadata"]
    name = metadata["name"]
    if (metadata.get("labels") or {}).get(labels.STORE_CREDENTIALS) != "true":
        raise StoreCredentialsError(f"Secret {name} lacks the label {labels.STORE_CREDENTIALS}=true.")
    if manifest.get("type", _OPAQUE) != _OPAQUE:
        raise StoreCredentialsError(f"Secret {name} is of type {manifest['type']}; expected {_OPAQUE}.")
    return StoreSecret(name, hosts.allowed(manifest), _key(name, manifest.get("data") or {}))


def _grpc(host: str, endpoint: str | None) -> tuple[str, int]:
    if endpoint is not None:
        return _host_and_port(endpoint)
    return (f"grpc-{host}", hosts.HTTPS_PORT) if host.endswith(_CLOUD) else (host, names.WEAVIATE_GRPC_PORT)


def _host_and_port(endpoint: str) -> tuple[str, int]:
    parts = urlsplit(endpoint)
    return parts.hostname or "", parts.port or hosts.HTTPS_PORT


def _hosts_of(at: Address) -> Iterator[str]:
    for host, port in ((at.host, at.http_port), (at.grpc_host or at.host, at.grpc_port)):
        yield hosts.named(host, port)


def _key(name: str, data: Mapping[str, str]) -> str:
    """Return the key without the line break that files end with; it must fit a header."""
    try:
        key = base64.b64decode(data.get(KEY, ""), validate=True).decode("ascii").strip()
    except (binascii.Error, UnicodeDecodeError):
        key = ""
    if not key or not key.isprintable():
        raise StoreCredentialsError(f"Secret {name} lacks {KEY}, or it is no line of plain characters.")
    return key
