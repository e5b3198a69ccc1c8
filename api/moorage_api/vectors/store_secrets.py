"""Reads the Secrets of external stores, by name, from the API server.

Separate from the watch cache because the API may get each of them and list none. One is kept for some seconds, so that
a search costs no call, and for longer while the API server does not answer, as everything else that is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from kubernetes.aio.client import ApiClient

from moorage_api.clock import Clock
from moorage_api.kube import transport
from moorage_api.vectors import external
from moorage_api.vectors.backends.weaviate.pool import Address
from moorage_api.vectors.errors import StoreCredentialsError
from moorage_api.vectors.external import StoreSecret
from moorage_crds.errors import UnavailableError

KEPT_FOR: Final = timedelta(seconds=10)


@dataclass(frozen=True)
class _Kept:
    secret: StoreSecret
    read_at: datetime


class StoreSecrets:
    """Secrets by the tenantID of who names them; one that cannot be used is read anew each time."""

    def __init__(self, api: ApiClient, now: Clock) -> None:
        self._api = api
        self._now = now
        self._kept: dict[str, _Kept] = {}

    async def key(self, tenant_id: str, namespace: str, name: str, address: Address) -> str:
        """Return the key for a store; raises StoreCredentialsError, or UnavailableError when nobody can tell."""
        now, kept = self._now(), self._usable(tenant_id, name, address)
        if kept is not None and now - kept.read_at < KEPT_FOR:
            return kept.secret.key
        try:
            answer = await self._get(namespace, name)
        except UnavailableError:
            if kept is None:
                raise
            return kept.secret.key
        self.forget(tenant_id)
        secret = external.parse(_found(name, answer))
        key = secret.key_for(address)
        self._kept[tenant_id] = _Kept(secret, now)
        return key

    def _usable(self, tenant_id: str, name: str, address: Address) -> _Kept | None:
        kept = self._kept.get(tenant_id)
        fits = kept is not None and kept.secret.name == name and kept.secret.unnamed_host(address) is None
        return kept if fits else None

    def forget(self, tenant_id: str) -> None:
        """Read the tenant's Secret anew the next time."""
        self._kept.pop(tenant_id, None)

    async def _get(self, namespace: str, name: str) -> transport.Answer:
        answer = await transport.call(self._api, "GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise UnavailableError(f"The Kubernetes API answered {answer.status}.")
        return answer


def _found(name: str, answer: transport.Answer) -> dict[str, Any]:
    match answer.status:
        case HTTPStatus.OK:
            return answer.body
        case HTTPStatus.NOT_FOUND:
            raise StoreCredentialsError(f"There is no Secret {name} in the tenant's namespace.")
        case HTTPStatus.FORBIDDEN:
            raise StoreCredentialsError(f"Secret {name} may not be read yet; the operator grants it.")
        case _:
            raise StoreCredentialsError(f"Secret {name} cannot be read: the Kubernetes API answered {answer.status}.")
