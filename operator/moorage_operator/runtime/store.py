"""Everything observed, and one tenant's part of it as ``reconcile`` wants it.

Separate because it is the only bridge from caches to ``World``: the cost of a tenant is the number of its own objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moorage_crds import names
from moorage_operator.reconcile import World
from moorage_operator.runtime import watched
from moorage_operator.runtime.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from moorage_operator.runtime.cache import Change
    from moorage_operator.runtime.resources import Resource

Manifest = dict[str, Any]


class Store:
    """One cache per watched kind."""

    def __init__(self) -> None:
        self.caches = {one.name: Cache(one.tenant_of, one.trim, one.rolls_until) for one in watched.ALL}

    def tenants(self) -> set[str]:
        """Return the tenants there is anything to decide about: those with a Tenant or with models."""
        return {*self._of(watched.TENANTS).tenants(), *self._of(watched.MODELS).tenants()}

    def world(self, tenant: str) -> World:
        """Return everything observed of one tenant."""
        tenants = self._all(watched.TENANTS, tenant)
        namespace = self._of(watched.NAMESPACES).get("", names.tenant_namespace(tenant))
        return World(
            tenant_name=tenant,
            tenant=tenants[0] if tenants else None,
            namespace=namespace.manifest() if namespace else None,
            children={
                (kind.resource.kind, one["metadata"]["name"]): one
                for kind in watched.CHILDREN
                for one in self._all(kind, tenant)
            },
            models=tuple(self._all(watched.MODELS, tenant)),
            revisions=tuple(self._all(watched.REVISIONS, tenant)),
            endpoint_slices=tuple(self._all(watched.TRITON_SLICES, tenant)),
            api_server=self.api_server(),
        )

    def rolling(self, now: datetime) -> Iterator[str]:
        """Yield the tenants whose pods are being replaced, some of them twice."""
        return (tenant for kind in watched.WORKLOADS for tenant in self._of(kind).rolling(now))

    def is_rolling(self, tenant: str, now: datetime) -> bool:
        """Tell whether a tenant's pods are being replaced; costs no look at other tenants'."""
        found = (entry.rolls_until for kind in watched.WORKLOADS for entry in self._of(kind).of_tenant(tenant))
        return any(until is not None and until > now for until in found)

    def api_server(self) -> tuple[tuple[str, int], ...]:
        """Return address and port of each API server behind the Service ``kubernetes``, sorted."""
        slices = self._all(watched.API_SERVER_SLICES, watched.EVERY_TENANT)
        return tuple(sorted({pair for one in slices for pair in _endpoints(one)}))

    def observed(self, resource: Resource, namespace: str | None, name: str) -> Manifest | None:
        """Return one object as last observed, or None; raises KeyError for a kind that is not watched."""
        entry = self.caches[resource.kind].get(namespace or "", name)
        return entry.manifest() if entry else None

    def has_seen(self, kind: str, version: int) -> bool:
        """Tell whether everything of a kind up to that version has been observed."""
        return self.caches[kind].progress >= version

    def wrote(self, manifest: Manifest) -> Change | None:
        """Take the answer to a write of ours, so that nothing is decided on a state older than it."""
        return self.caches[manifest["kind"]].wrote(manifest)

    def erased(self, kind: str, namespace: str | None, name: str, uid: str) -> Change | None:
        """Take the answer to a deletion of ours that is complete."""
        return self.caches[kind].erased(namespace or "", name, uid)

    def _of(self, kind: watched.Watched) -> Cache:
        return self.caches[kind.name]

    def _all(self, kind: watched.Watched, tenant: str) -> list[Manifest]:
        return [entry.manifest() for entry in self._of(kind).of_tenant(tenant)]


def _endpoints(endpoint_slice: Manifest) -> set[tuple[str, int]]:
    """Return the pairs of a slice; an endpoint that says nothing of readiness is ready."""
    ports = [port["port"] for port in endpoint_slice.get("ports") or ()]
    ready = [one for one in endpoint_slice.get("endpoints") or () if one.get("conditions", {}).get("ready", True)]
    return {(address, port) for one in ready for address in one["addresses"] for port in ports}
