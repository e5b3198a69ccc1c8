"""Two values for every field of a Tenant's spec that is not made of other fields; each differs from the default.

Tests that must hold for every field are generated from this table, and fail when it lacks one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from moorage_crds.schema import Schema
from moorage_crds.tenant import TenantSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

VALUES: dict[str, tuple[Any, Any]] = {
    "displayName": ("Acme", "Acme Corp"),
    "suspend": (True, True),
    "deletionPolicy": ("Retain", "Retain"),
    "deletionProtection": (True, True),
    "members": (
        [{"kind": "User", "name": "alice", "role": "admin"}],
        [{"kind": "User", "name": "alice", "role": "viewer"}],
    ),
    "quota.cpu": ("4", "6"),
    "quota.memory": ("8Gi", "12Gi"),
    "quota.storage": ("50Gi", "60Gi"),
    "quota.gpu": (1, 2),
    "quota.pods": (10, 12),
    "quota.models": (0, 5),
    "quota.objects": (0, 5),
    "quota.requestsPerSecond": (1, 5),
    "quota.burst": (1, 5),
    "quota.concurrentRequests": (1, 5),
    "inference.replicas": (2, 3),
    "inference.autoscaling.class": ("External", "External"),
    "inference.autoscaling.min": (2, 3),
    "inference.autoscaling.max": (2, 3),
    "inference.autoscaling.targetCPU": (50, 60),
    "inference.surge": (False, False),
    "inference.resources.requests": ({"cpu": "200m"}, {"cpu": "300m"}),
    "inference.resources.limits": ({"memory": "1Gi"}, {"memory": "2Gi"}),
    "inference.gpu.resourceName": ("nvidia.com/mig-1g.5gb", "amd.com/gpu"),
    "inference.gpu.count": (1, 2),
    "inference.pythonBackend": ("Enabled", "Enabled"),
    "inference.runtimeClassName": ("gvisor", "kata"),
    "inference.nodeSelector": ({"pool": "a"}, {"pool": "b"}),
    "inference.tolerations": ([{"key": "gpu", "operator": "Exists"}], [{"key": "gpu", "value": "yes"}]),
    "inference.modelStore.sizeLimit": ("1Gi", "2Gi"),
    "inference.modelStore.storage.size": ("5Gi", "6Gi"),
    "inference.modelStore.storage.storageClassName": ("fast", "slow"),
    "inference.modelClaims": (["shared"], ["shared", "weights"]),
    "vectorStore.backend": ("None", "None"),
    "vectorStore.replicas": (3, 3),
    "vectorStore.storage.size": ("20Gi", "30Gi"),
    "vectorStore.storage.storageClassName": ("fast", "slow"),
    "vectorStore.resources.requests": ({"cpu": "200m"}, {"cpu": "300m"}),
    "vectorStore.resources.limits": ({"memory": "1Gi"}, {"memory": "2Gi"}),
    "vectorStore.external.endpoint": ("https://weaviate.example", "https://weaviate.example"),
    "vectorStore.external.grpcEndpoint": ("https://grpc.example", "https://grpc.example:444"),
    "vectorStore.external.credentialsSecretRef.name": ("store", "other-store"),
    "network.egress.mode": ("Listed", "Listed"),
    "network.egress.cidrs": (["198.51.100.0/24"], ["203.0.113.0/24"]),
    "network.allowIngressFromNamespaces": (["web"], ["web", "batch"]),
    "credentials.rotationPeriod": ("720h", "0s"),
}

BESIDE: dict[str, dict[str, Any]] = {
    "inference.gpu.count": {"quota": {"gpu": 2}},
    "inference.autoscaling.class": {"inference": {"autoscaling": {"max": 3}}},
    "inference.autoscaling.min": {"inference": {"autoscaling": {"max": 3}}},
    "inference.autoscaling.targetCPU": {"inference": {"autoscaling": {"max": 3}}},
    "vectorStore.external.grpcEndpoint": {"vectorStore": {"external": {"endpoint": "https://weaviate.example"}}},
    "vectorStore.external.credentialsSecretRef.name": {
        "vectorStore": {"external": {"endpoint": "https://weaviate.example"}}
    },
    "vectorStore.replicas": {"inference": {"replicas": 0}},
}
"""What a field's values need in the same spec to be met."""


def leaves(model: type[Schema] = TenantSpec, prefix: str = "") -> Iterator[str]:
    """Yield the fields that are not made of others; a list is one field."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        inner = _part(field.annotation)
        if inner is None:
            yield path
        else:
            yield from leaves(inner, f"{path}.")


def _part(annotation: object) -> type[Schema] | None:
    """Return the model that a field is, or may be, made of."""
    if getattr(annotation, "__origin__", None) is list:
        return None
    candidates: tuple[object, ...] = (annotation, *get_args(annotation))
    return next((one for one in candidates if isinstance(one, type) and issubclass(one, Schema)), None)


def spec_with(path: str, value: Any, base: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a spec, ``base`` or an empty one, in which the field has the value."""
    head, _, rest = path.partition(".")
    inner = dict(base or {})
    inner[head] = spec_with(rest, value, inner.get(head)) if rest else value
    return inner
