"""Compute of a tenant: what each container asks for, and the quota and defaults that follow.

Separate because quota, LimitRange and pod templates must agree: a quota on requests and limits refuses every container
without them. Container resources depend on the container's own part of the spec only, never on the quota, since a
changed quota must not restart pods.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from moorage_crds.schema import Resources
from moorage_crds.tenant import TenantSpec
from moorage_operator.reconcile import quantities

COMPUTE: Final = ("cpu", "memory")

TRITON_REQUESTS: Final = {"cpu": "100m", "memory": "256Mi"}
"""Idle Triton takes 32 MiB and each Python model about 50 MiB."""

WEAVIATE_REQUESTS: Final = {"cpu": "100m", "memory": "256Mi"}
"""Idle Weaviate takes about 120 MiB."""

AGENT: Final = {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"cpu": "500m", "memory": "128Mi"}}
"""Comes on top of the tenant's quota: the agent is ours."""

DEFAULT_REQUESTS: Final = {"cpu": "50m", "memory": "64Mi"}
"""Of a container that names nothing."""

_DEFAULT_LIMIT_SHARE: Final = 4
"""A container without limits may take a quarter of the quota: three replicas and the store then fit without a word."""

_LEAST_LIMITS: Final = {"cpu": "500m", "memory": "256Mi"}
"""A quarter of a tiny quota would not start anything."""

_GO_MEMORY_SHARE: Final = Decimal("0.85")
"""The rest of a memory limit is for what Go's collector does not count: mapped files, stacks, threads."""

_FORMATS: Final = {"cpu": quantities.as_cores, "memory": quantities.as_bytes}


@dataclass(frozen=True, slots=True)
class Compute:
    """Quota and defaults of a tenant namespace, each by resource name."""

    hard: Mapping[str, str]
    default_limits: Mapping[str, str]
    default_requests: Mapping[str, str]


def container(asked: Resources, default_requests: Mapping[str, str]) -> dict[str, Any]:
    """Return a container's ``resources``: what was asked for, and requests where nothing was said.

    A limit without a request stays alone: Kubernetes takes the limit for the request.
    """
    limits = dict(asked.limits or {})
    fallback = {name: amount for name, amount in default_requests.items() if name not in limits}
    requests = fallback | dict(asked.requests or {})
    return {key: amounts for key, amounts in (("requests", requests), ("limits", limits)) if amounts}


def triton(spec: TenantSpec) -> dict[str, Any]:
    """Return the resources of the Triton container."""
    return container(spec.inference.resources, TRITON_REQUESTS)


def weaviate(spec: TenantSpec) -> dict[str, Any]:
    """Return the resources of the Weaviate container."""
    return container(spec.vector_store.resources, WEAVIATE_REQUESTS)


def go_memory_limit(resources: Mapping[str, Any]) -> str | None:
    """Return GOMEMLIMIT for a container: 85 % of its memory limit, None without one."""
    limit = resources.get("limits", {}).get("memory")
    if limit is None:
        return None
    return f"{quantities.as_mebibytes(quantities.parse(limit) * _GO_MEMORY_SHARE)}MiB"


def compute(spec: TenantSpec) -> Compute:
    """Return quota and defaults: spec.quota, one surge replica of Triton, and our own agents."""
    quota = {"cpu": spec.quota.cpu, "memory": spec.quota.memory}
    defaults = {name: _default_limit(name, quota[name], (triton(spec), weaviate(spec))) for name in COMPUTE}
    hard = {
        f"{kind}.{name}": _FORMATS[name](quantities.parse(quota[name]) + _extra(spec, kind, name, defaults))
        for kind in ("requests", "limits")
        for name in COMPUTE
    }
    return Compute(
        hard=hard
        | {
            "requests.storage": spec.quota.storage,
            "pods": str(spec.quota.pods + 1),
            "services.loadbalancers": "0",
            "services.nodeports": "0",
        },
        default_limits={name: _FORMATS[name](amount) for name, amount in defaults.items()},
        default_requests=DEFAULT_REQUESTS,
    )


def _default_limit(name: str, quota: str, containers: tuple[Mapping[str, Any], ...]) -> Decimal:
    """Return the limit of containers that name none; never below a request, which the API server would refuse."""
    requests = [quantities.parse(resources.get("requests", {}).get(name, "0")) for resources in containers]
    share = quantities.parse(quota) / _DEFAULT_LIMIT_SHARE
    return max(share, quantities.parse(_LEAST_LIMITS[name]), *requests)


def _extra(spec: TenantSpec, kind: str, name: str, default_limits: Mapping[str, Decimal]) -> Decimal:
    """Return what comes on top of the quota: a surge replica, and the agent of every replica."""
    agents = quantities.parse(AGENT[kind][name]) * (spec.inference.replicas + 1)
    resources = triton(spec)
    limit = resources.get("limits", {}).get(name)
    if kind == "limits":
        return agents + (quantities.parse(limit) if limit else default_limits[name])
    return agents + quantities.parse(resources.get("requests", {}).get(name, limit or "0"))
