"""The API's own view of the cluster: what it reads per request, fed by list+watch and never by a GET.

It serves what it last knew while the API server is gone. The values of tenants' credentials are held in memory only,
in objects that print nothing.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kubernetes.aio.client import ApiClient

from moorage_api.kube.reflector import Reflector, Resource
from moorage_api.kube.store import Store
from moorage_crds import API_VERSION, labels, names
from moorage_crds.modeldeployment import ModelDeployment
from moorage_crds.tenant import Tenant

Manifest = dict[str, Any]
"""A Kubernetes object as the API server sends it, without ``managedFields``."""

_SERVICE_OF_SLICE: Final = "kubernetes.io/service-name"

TENANTS: Final = Resource(f"/apis/{API_VERSION}/{Tenant.PLURAL}")
MODELS: Final = Resource(f"/apis/{API_VERSION}/{ModelDeployment.PLURAL}")
SLICES: Final = Resource(
    "/apis/discovery.k8s.io/v1/endpointslices",
    label_selector=f"{_SERVICE_OF_SLICE}={names.TRITON},{labels.TENANT}",
)
SECRETS: Final = Resource("/api/v1/secrets", field_selector=f"metadata.name={names.CREDENTIALS}")


@dataclass(frozen=True)
class Credentials:
    """The keys of a tenant's own services; printing it shows none of them."""

    values: Mapping[str, str] = field(repr=False)

    def get(self, key: str) -> str | None:
        """Return one value by its key in the Secret, or None when the Secret lacks it."""
        return self.values.get(key) or None

    def pair(self, key: str) -> tuple[str, ...]:
        """Return the current value and, while a rotation is under way, the one it replaces; nothing without either."""
        return tuple(value for name in (key, f"{key}{names.PREVIOUS}") if (value := self.get(name)))


class ClusterCache:
    """Tenants, models, Triton's EndpointSlices and tenants' credentials; reads are synchronous and cost no I/O."""

    def __init__(self, api: ApiClient) -> None:
        self._tenants: Store[Manifest] = Store(_without_managed_fields)
        self._models: Store[Manifest] = Store(_without_managed_fields)
        self._slices: Store[Manifest] = Store(_without_managed_fields)
        self._secrets: Store[Credentials] = Store(_credentials)
        self._stores: dict[str, Store[Any]] = {
            Tenant.KIND: self._tenants,
            ModelDeployment.KIND: self._models,
            "EndpointSlice": self._slices,
            "Secret": self._secrets,
        }
        resources = (TENANTS, MODELS, SLICES, SECRETS)
        self._reflectors = [
            Reflector(api, resource, store) for resource, store in zip(resources, self._stores.values(), strict=True)
        ]

    def tenant(self, name: str) -> Manifest | None:
        """Return a Tenant, or None when there is none."""
        return self._tenants.get("", name)

    def tenants(self) -> list[Manifest]:
        """Return all Tenants, ordered by name."""
        return self._tenants.of_namespace("")

    def model(self, namespace: str, name: str) -> Manifest | None:
        """Return a ModelDeployment, or None when there is none."""
        return self._models.get(namespace, name)

    def models(self, namespace: str) -> list[Manifest]:
        """Return the ModelDeployments of a namespace, ordered by name."""
        return self._models.of_namespace(namespace)

    def endpoint_slices(self, namespace: str) -> list[Manifest]:
        """Return the EndpointSlices of the namespace's Triton Service."""
        return self._slices.of_namespace(namespace)

    def secret(self, namespace: str) -> Credentials | None:
        """Return the namespace's ``moorage-credentials``, or None when there is none."""
        return self._secrets.get(namespace, names.CREDENTIALS)

    @property
    def ready(self) -> bool:
        """Whether every kind has been listed once; it stays true when the API server goes away."""
        return all(reflector.listed.is_set() for reflector in self._reflectors)

    @property
    def connected(self) -> bool:
        """Whether what is known is current; while it is False an unknown name may merely not have been seen."""
        return all(reflector.connected for reflector in self._reflectors)

    def observe(self, kind: str, manifest: Manifest) -> None:
        """Take the answer to a write of our own, so that the next read sees it before the watch brings it."""
        self._stores[kind].observe(manifest)

    async def wait_ready(self) -> None:
        """Wait until ``ready``."""
        await asyncio.gather(*(reflector.listed.wait() for reflector in self._reflectors))

    async def run(self) -> None:
        """List and watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for reflector in self._reflectors:
                group.create_task(reflector.run())


def _without_managed_fields(manifest: Manifest) -> Manifest:
    """Drop who wrote which field: nothing reads it here, and it is half of an object's size."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "managedFields"}
    return {**manifest, "metadata": metadata}


def _credentials(manifest: Manifest) -> Credentials:
    data = manifest.get("data") or {}
    return Credentials({key: base64.b64decode(value).decode("utf-8", "replace") for key, value in data.items()})
