"""The objects of a run: tenants, their models, and their children as a bare loop would apply them.

Separate because every operator of a run must get the same.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from moorage_crds import API_VERSION, names
from moorage_crds.tenant import parse_spec
from moorage_operator.reconcile import Create, Settings, World, credentials
from moorage_operator.reconcile.desired import desired

Manifest = dict[str, Any]

SETTINGS = Settings(
    system_namespace="moorage-system",
    operator_service_account="moorage-operator",
    triton_image="moorage/triton:dev",
    agent_image="moorage/agent:dev",
    weaviate_image="moorage/weaviate:dev",
    image_pull_policy="IfNotPresent",
    dns_namespace="kube-system",
    cluster_cidrs=(),
)
_MEMBERS = (("alice", "admin"), ("bob", "developer"), ("carol", "viewer"))
_MODEL_BYTES = 2048


def tenant_names(count: int) -> list[str]:
    """Return the tenants' names."""
    return [f"t{number:05d}" for number in range(count)]


def tenant(name: str) -> Manifest:
    """Return a Tenant with one member of each role; the rest is default."""
    members = [{"kind": "User", "name": user, "role": role} for user, role in _MEMBERS]
    return {"apiVersion": API_VERSION, "kind": "Tenant", "metadata": {"name": name}, "spec": {"members": members}}


def models(tenant_name: str, count: int) -> list[Manifest]:
    """Return a tenant's models, each with a file of 2 KiB inline."""
    return [_model(tenant_name, f"model-{number}") for number in range(count)]


def _model(tenant_name: str, name: str) -> Manifest:
    content = (f"{tenant_name} {name} " * _MODEL_BYTES)[:_MODEL_BYTES]
    return {
        "apiVersion": API_VERSION,
        "kind": "ModelDeployment",
        "metadata": {"name": name, "namespace": names.tenant_namespace(tenant_name)},
        "spec": {"backend": "onnxruntime", "source": {"inline": {"files": {"1/model.onnx": content}}}},
    }


def children(observed: Manifest) -> tuple[Manifest, ...]:
    """Return the children of a Tenant as it was answered, in order of creation, the namespace first."""
    name = observed["metadata"]["name"]
    world = World(name, observed, None)
    wanted = desired(world, parse_spec(observed), SETTINGS)
    writes = credentials.writes(world, wanted, datetime.now(UTC), credentials.new_key, may_roll=False)
    made = (dict(write.manifest) for write in writes if isinstance(write, Create))
    return (*wanted, *made)
