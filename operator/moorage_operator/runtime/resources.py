"""The kinds the operator reads or writes, and their paths in the API.

Separate because informers, writes and events address objects alike; discovery would cost requests for what is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from moorage_crds import API_VERSION


@dataclass(frozen=True)
class Resource:
    """One kind and where it is served."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """Return the path of a collection, of an object or of its subresource; without a namespace, of all of them."""
        root = "api" if "/" not in self.api_version else "apis"
        parts = [root, self.api_version]
        if self.namespaced and namespace is not None:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part is not None]
        return "/" + "/".join(parts)


TENANT = Resource(API_VERSION, "Tenant", "tenants", namespaced=False)
MODEL_DEPLOYMENT = Resource(API_VERSION, "ModelDeployment", "modeldeployments")
NAMESPACE = Resource("v1", "Namespace", "namespaces", namespaced=False)
RESOURCE_QUOTA = Resource("v1", "ResourceQuota", "resourcequotas")
LIMIT_RANGE = Resource("v1", "LimitRange", "limitranges")
SERVICE_ACCOUNT = Resource("v1", "ServiceAccount", "serviceaccounts")
SECRET = Resource("v1", "Secret", "secrets")
SERVICE = Resource("v1", "Service", "services")
PERSISTENT_VOLUME_CLAIM = Resource("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
EVENT = Resource("v1", "Event", "events")
NETWORK_POLICY = Resource("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
ROLE = Resource("rbac.authorization.k8s.io/v1", "Role", "roles")
ROLE_BINDING = Resource("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings")
DEPLOYMENT = Resource("apps/v1", "Deployment", "deployments")
STATEFUL_SET = Resource("apps/v1", "StatefulSet", "statefulsets")
CONTROLLER_REVISION = Resource("apps/v1", "ControllerRevision", "controllerrevisions")
HORIZONTAL_POD_AUTOSCALER = Resource("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
POD_DISRUPTION_BUDGET = Resource("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
ENDPOINT_SLICE = Resource("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
LEASE = Resource("coordination.k8s.io/v1", "Lease", "leases")

_ALL = (
    TENANT,
    MODEL_DEPLOYMENT,
    NAMESPACE,
    RESOURCE_QUOTA,
    LIMIT_RANGE,
    SERVICE_ACCOUNT,
    SECRET,
    SERVICE,
    PERSISTENT_VOLUME_CLAIM,
    EVENT,
    NETWORK_POLICY,
    ROLE,
    ROLE_BINDING,
    DEPLOYMENT,
    STATEFUL_SET,
    CONTROLLER_REVISION,
    POD_DISRUPTION_BUDGET,
    HORIZONTAL_POD_AUTOSCALER,
    ENDPOINT_SLICE,
    LEASE,
)
_BY_KIND = {resource.kind: resource for resource in _ALL}


def of_kind(kind: str) -> Resource:
    """Return the resource of a kind's name; raises KeyError for one the operator never touches."""
    return _BY_KIND[kind]


def of(manifest: dict[str, Any]) -> Resource:
    """Return the resource of a manifest; raises KeyError for a kind the operator never touches."""
    return _BY_KIND[manifest["kind"]]
