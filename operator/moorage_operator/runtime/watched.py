"""What the operator watches: one row per kind.

Separate because it is the operator's whole appetite, to be compared with the rights the chart grants.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from moorage_crds import labels, names
from moorage_operator.reconcile import rolls_until
from moorage_operator.runtime import resources, trim
from moorage_operator.runtime.resources import Resource

EVERY_TENANT = "*"
"""Tenant of an object that concerns all of them; no Tenant can have this name."""

SERVICE_NAME = "kubernetes.io/service-name"
"""Label by which Kubernetes ties an EndpointSlice to its Service."""

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Watched:
    """One list+watch. ``label`` and ``field`` select on the server; ``namespace`` limits it to one."""

    name: str
    resource: Resource
    tenant_of: Callable[[Manifest], str | None]
    trim: Callable[[Manifest], Manifest] = trim.plain
    label: str | None = None
    field: str | None = None
    namespace: str | None = None
    rolls_until: Callable[[Manifest], datetime | None] = lambda _: None
    """Until when an object counts as being rolled, None when it is not."""

    @property
    def path(self) -> str:
        """Return the collection's path."""
        return self.resource.path(self.namespace)

    @property
    def selectors(self) -> dict[str, str]:
        """Return the query parameters that select."""
        given = {"labelSelector": self.label, "fieldSelector": self.field}
        return {key: value for key, value in given.items() if value is not None}


def _by_name(manifest: Manifest) -> str | None:
    name: str = manifest["metadata"]["name"]
    return name


def _by_namespace_name(manifest: Manifest) -> str | None:
    return names.tenant_of_namespace(manifest["metadata"]["name"])


def _by_namespace(manifest: Manifest) -> str | None:
    return names.tenant_of_namespace(manifest["metadata"]["namespace"])


def _every(_: Manifest) -> str | None:
    return EVERY_TENANT


def _child(resource: Resource) -> Watched:
    return Watched(resource.kind, resource, _by_namespace, label=labels.TENANT)


TENANTS = Watched("Tenant", resources.TENANT, _by_name)
MODELS = Watched("ModelDeployment", resources.MODEL_DEPLOYMENT, _by_namespace)
NAMESPACES = Watched("Namespace", resources.NAMESPACE, _by_namespace_name, trim.metadata_and_phase)
SECRETS = Watched("Secret", resources.SECRET, _by_namespace, trim.secret, field=f"metadata.name={names.CREDENTIALS}")
AUTOSCALERS = Watched(
    "HorizontalPodAutoscaler",
    resources.HORIZONTAL_POD_AUTOSCALER,
    _by_namespace,
    trim.autoscaler,
    label=labels.TENANT,
)
WORKLOADS = tuple(
    replace(_child(resource), rolls_until=rolls_until) for resource in (resources.DEPLOYMENT, resources.STATEFUL_SET)
)
REVISIONS = Watched("ControllerRevision", resources.CONTROLLER_REVISION, _by_namespace, label=labels.MODEL)
TRITON_SLICES = Watched(
    "EndpointSlice", resources.ENDPOINT_SLICE, _by_namespace, label=f"{labels.TENANT},{SERVICE_NAME}={names.TRITON}"
)
API_SERVER_SLICES = Watched(
    "EndpointSlice/kubernetes",
    resources.ENDPOINT_SLICE,
    _every,
    field="metadata.name=kubernetes",
    namespace="default",
)
CHILDREN = (
    *(
        _child(resource)
        for resource in (
            resources.RESOURCE_QUOTA,
            resources.LIMIT_RANGE,
            resources.NETWORK_POLICY,
            resources.SERVICE_ACCOUNT,
            resources.ROLE,
            resources.ROLE_BINDING,
            resources.SERVICE,
            resources.POD_DISRUPTION_BUDGET,
            resources.PERSISTENT_VOLUME_CLAIM,
        )
    ),
    *WORKLOADS,
    AUTOSCALERS,
    SECRETS,
)
"""Kinds whose objects become ``World.children``."""

ALL = (TENANTS, MODELS, NAMESPACES, *CHILDREN, REVISIONS, TRITON_SLICES, API_SERVER_SLICES)
