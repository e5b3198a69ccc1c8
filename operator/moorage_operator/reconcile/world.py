"""What a reconciliation knows: the settings and one tenant's objects as last observed.

Separate from the decisions so that tests and the runtime build the same input. Objects are JSON as the API server
answers it, ``metadata.managedFields`` included; nothing here is ever changed in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from moorage_crds import names
from moorage_operator.reconcile.canary import Tally

Manifest = Mapping[str, Any]
"""A Kubernetes object as JSON."""


@dataclass(frozen=True, slots=True)
class TenantRules:
    """What the platform allows in a spec and adds to every pod; an empty list of names allows all."""

    storage_classes: tuple[str, ...] = ()
    runtime_classes: tuple[str, ...] = ()
    python_needs_runtime_class: bool = False
    """Whether ``pythonBackend: Enabled`` demands a ``runtimeClassName``."""
    pull_secrets: tuple[str, ...] = ()
    """Names of pull Secrets that the platform puts into each tenant namespace."""
    ca_bundle: str = ""
    """PEM certificates of authorities that sources' servers may show besides the public ones."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """How agents fetch models' sources where pods do not reach the Internet themselves."""

    url: str = ""
    """``http://host:port``; empty where there is none."""
    past: tuple[str, ...] = ()
    """Hosts and address ranges that are reached without it."""
    cidrs: tuple[str, ...] = ()
    """Address ranges of the proxy itself."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator's own deployment decides, the same for every tenant."""

    system_namespace: str
    """Namespace in which operator and API run."""
    operator_service_account: str
    """ServiceAccount of the operator in ``system_namespace``."""
    triton_image: str
    agent_image: str
    weaviate_image: str
    image_pull_policy: str
    """``Always``, ``IfNotPresent`` or ``Never``, for every container of a tenant."""
    dns_namespace: str
    """Namespace of the pods labelled ``k8s-app=kube-dns``."""
    cluster_cidrs: tuple[str, ...]
    """Pod and service ranges; never part of PublicHTTPS."""
    proxy: Proxy = Proxy()
    tenants: TenantRules = TenantRules()
    """What the platform allows and adds to every tenant."""


@dataclass(frozen=True, slots=True)
class World:
    """One tenant's name and everything observed under it."""

    tenant_name: str
    tenant: Manifest | None
    """The Tenant object, or None when there is none."""
    namespace: Manifest | None
    """The Namespace of the derived name, whatever its labels."""
    children: Mapping[tuple[str, str], Manifest] = field(default_factory=dict)
    """Objects of the tenant namespace that carry the tenant's label, by (kind, name), and the Secret."""
    models: tuple[Manifest, ...] = ()
    """ModelDeployments of the tenant namespace."""
    revisions: tuple[Manifest, ...] = ()
    """ControllerRevisions of the tenant namespace with the label MODEL."""
    endpoint_slices: tuple[Manifest, ...] = ()
    """EndpointSlices of the Service ``triton``."""
    api_server: tuple[tuple[str, int], ...] = ()
    """Address and port of each API server, as pods reach it after address translation."""
    may_roll: bool = True
    """Whether the budget has room for another tenant whose pods an upgrade of the operator replaces."""
    canaries: Mapping[tuple[str, str], Tally] = field(default_factory=dict)
    """What gateways counted of revisions on trial, by model and revision hash."""

    @property
    def namespace_name(self) -> str:
        """Return the name of the tenant namespace, whether it exists or not."""
        return names.tenant_namespace(self.tenant_name)
