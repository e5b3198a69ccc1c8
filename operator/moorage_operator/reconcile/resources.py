"""Compute of a tenant: what each container asks for, the quota and defaults that follow, and whether all of it fits.

Separate because quota, LimitRange and pod templates must agree: a quota on requests and limits refuses every container
without them. Container resources depend on the container's own part of the spec only, never on the quota, since a
changed quota must not restart pods.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from moorage_crds.schema import Resources
from moorage_crds.tenant import TenantSpec
from moorage_operator.reconcile import quantities, scaling

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

_FORMATS: Final[dict[str, Callable[[Any], str]]] = {
    "cpu": quantities.as_cores,
    "memory": quantities.as_bytes,
    "storage": quantities.as_bytes,
}


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
    """Return the resources of the Triton container, its GPUs included."""
    resources = container(spec.inference.resources, TRITON_REQUESTS)
    gpu = spec.inference.gpu
    if gpu.count:
        # A device's limit is its request too.
        resources["limits"] = {**resources.get("limits", {}), gpu.resource_name: str(gpu.count)}
    return resources


def weaviate(spec: TenantSpec) -> dict[str, Any]:
    """Return the resources of the Weaviate container."""
    return container(spec.vector_store.resources, WEAVIATE_REQUESTS)


def go_memory_limit(resources: Mapping[str, Any]) -> str | None:
    """Return GOMEMLIMIT for a container: 85 % of its memory limit, None without one."""
    limit = resources.get("limits", {}).get("memory")
    if limit is None:
        return None
    return f"{quantities.as_mebibytes(quantities.parse(limit) * _GO_MEMORY_SHARE)}MiB"


def surge_pods(spec: TenantSpec) -> int:
    """Return how many pods a rolling update of Triton makes beyond its replicas."""
    return 1 if spec.inference.surge else 0


def compute(spec: TenantSpec) -> Compute:
    """Return quota and defaults: spec.quota, one surge replica of Triton unless it has none, and our own agents."""
    quota, defaults = _quota(spec), _default_limits(spec)
    hard = {
        f"{kind}.{name}": _FORMATS[name](quantities.parse(quota[name]) + _extra(spec, kind, name, defaults))
        for kind in ("requests", "limits")
        for name in COMPUTE
    }
    return Compute(
        hard=hard
        | {
            "requests.storage": quantities.as_bytes(
                quantities.parse(spec.quota.storage) + surge_pods(spec) * _model_claim(spec)
            ),
            f"requests.{spec.inference.gpu.resource_name}": str(
                spec.quota.gpu + surge_pods(spec) * spec.inference.gpu.count
            ),
            "pods": str(spec.quota.pods + surge_pods(spec)),
            "services.loadbalancers": "0",
            "services.nodeports": "0",
        },
        default_limits={name: _FORMATS[name](amount) for name, amount in defaults.items()},
        default_requests=DEFAULT_REQUESTS,
    )


def shortfalls(spec: TenantSpec) -> tuple[str, ...]:
    """Return a sentence for each bound of the quota that the spec's own pods would pass.

    The room for a surge replica counts for nothing here: pods that took it would leave none to the next rollout.
    """
    bounds: dict[str, tuple[Decimal | int, Decimal | int]] = {
        **{name: (_needed(spec, name), quantities.parse(amount)) for name, amount in _quota(spec).items()},
        "storage": (
            spec.vector_store.pods * quantities.parse(spec.vector_store.storage.size)
            + scaling.most_pods(spec) * _model_claim(spec),
            quantities.parse(spec.quota.storage),
        ),
        "gpu": (scaling.most_pods(spec) * spec.inference.gpu.count, spec.quota.gpu),
        "pods": (scaling.most_pods(spec) + spec.vector_store.pods, spec.quota.pods),
    }
    return tuple(
        f"spec.quota.{name}: the pods need {_written(name, needed)}, and the quota is {_written(name, quota)}."
        for name, (needed, quota) in bounds.items()
        if needed > quota
    )


def _needed(spec: TenantSpec, name: str) -> Decimal:
    """Return the larger of what all pods request and what they may take, our own agents apart."""
    default = _default_limits(spec)[name]
    parts = ((scaling.most_pods(spec), triton(spec)), (spec.vector_store.pods, weaviate(spec)))
    limits = sum((count * _limit(resources, name, default) for count, resources in parts), Decimal(0))
    requests = sum((count * _request(resources, name) for count, resources in parts), Decimal(0))
    return max(limits, requests)


def _limit(resources: Mapping[str, Any], name: str, default: Decimal) -> Decimal:
    limit = resources.get("limits", {}).get(name)
    return quantities.parse(limit) if limit else default


def _request(resources: Mapping[str, Any], name: str) -> Decimal:
    """Return a container's request; a limit alone stands for it."""
    return quantities.parse(resources.get("requests", {}).get(name) or resources.get("limits", {}).get(name, "0"))


def _model_claim(spec: TenantSpec) -> Decimal:
    """Return the size of each Triton pod's volume claim, 0 without one."""
    storage = spec.inference.model_store.storage
    return quantities.parse(storage.size) if storage else Decimal(0)


def _written(name: str, amount: Decimal | int) -> str:
    return _FORMATS.get(name, str)(amount)


def _quota(spec: TenantSpec) -> dict[str, str]:
    return {"cpu": spec.quota.cpu, "memory": spec.quota.memory}


def _default_limits(spec: TenantSpec) -> dict[str, Decimal]:
    containers = (triton(spec), *([weaviate(spec)] if spec.vector_store.pods else ()))
    return {name: _default_limit(name, amount, containers) for name, amount in _quota(spec).items()}


def _default_limit(name: str, quota: str, containers: tuple[Mapping[str, Any], ...]) -> Decimal:
    """Return the limit of containers that name none; never below a request, which the API server would refuse."""
    requests = [quantities.parse(resources.get("requests", {}).get(name, "0")) for resources in containers]
    share = quantities.parse(quota) / _DEFAULT_LIMIT_SHARE
    return max(share, quantities.parse(_LEAST_LIMITS[name]), *requests)


def _extra(spec: TenantSpec, kind: str, name: str, default_limits: Mapping[str, Decimal]) -> Decimal:
    """Return what comes on top of the quota: a surge replica, and the agent of every replica."""
    surge = surge_pods(spec)
    agents = quantities.parse(AGENT[kind][name]) * (scaling.most_pods(spec) + surge)
    resources = triton(spec)
    if kind == "limits":
        return agents + surge * _limit(resources, name, default_limits[name])
    return agents + surge * _request(resources, name)
