"""Names of everything Moorage makes, derived in one place so that each fits and none is guessed."""

from typing import Final

FIELD_MANAGER: Final = "moorage-operator"
"""Server-side-apply manager of the operator."""

API_FIELD_MANAGER: Final = "moorage-api"
"""Server-side-apply manager of the API."""

API_METRICS: Final = "moorage-api-metrics"
"""Headless Service of the API's metrics ports, one address per process."""

REVISION_REQUESTS: Final = "moorage_gateway_revision_requests"
"""Counter of the gateway by tenant, model and revision: inference requests that a replica took."""

REVISION_ERRORS: Final = "moorage_gateway_revision_errors"
"""Counter of the gateway by tenant, model and revision: those of them that the revision failed."""

GATEWAY_STARTED: Final = "moorage_gateway_start_time_seconds"
"""Gauge of the gateway: Unix time at which its counters began."""

TENANT_NAME_MAX: Final = 40
"""Longest Tenant name, in characters; every derived name then fits a DNS label."""

MODEL_NAME_MAX: Final = 54
"""Longest ModelDeployment name, in characters: 63 of a label less the revision's suffix."""

TRITON: Final = "triton"
"""Deployment, headless Service and PodDisruptionBudget of the inference server."""

AGENT_SERVICE_ACCOUNT: Final = "moorage-agent"
"""ServiceAccount of the Triton pod; only the agent's container mounts its token."""

WEAVIATE: Final = "weaviate"
"""StatefulSet, Service and ServiceAccount of the vector store."""

WEAVIATE_HEADLESS: Final = "weaviate-headless"
"""Headless Service that gives the StatefulSet's pods their host names."""

CREDENTIALS: Final = "moorage-credentials"
"""Secret of a tenant; created once, changed by rotation only."""

INFERENCE_KEY: Final = "triton-inference-key"
"""Key in ``CREDENTIALS``: the gateway sends it with every call to the tenant's Triton."""

MANAGEMENT_KEY: Final = "triton-management-key"
"""Key in ``CREDENTIALS``: the agent sends it to load and unload models."""

WEAVIATE_KEY: Final = "weaviate-api-key"
"""Key in ``CREDENTIALS``: the API sends it to the tenant's Weaviate; absent until the store has run once."""

WEAVIATE_ROOT_KEY: Final = "weaviate-root-key"
"""Key in ``CREDENTIALS``: Weaviate takes it from its environment, and the operator makes users with it."""

WEAVIATE_ROOT: Final = "moorage"
"""Weaviate's name for the holder of ``WEAVIATE_ROOT_KEY``."""

WEAVIATE_ROLE: Final = "moorage-api"
"""Role in a tenant's Weaviate: collections and objects, neither users nor roles."""

PREVIOUS: Final = "-previous"
"""Suffix of a key in ``CREDENTIALS`` that a rotation has replaced; it goes once no pod holds it any more."""

INFERENCE_HEADER: Final = "moorage-inference-key"
"""HTTP header and gRPC metadata name that carries ``INFERENCE_KEY``."""

MANAGEMENT_HEADER: Final = "moorage-management-key"
"""HTTP header and gRPC metadata name that carries ``MANAGEMENT_KEY``."""

TRITON_HTTP_PORT: Final = 8000
TRITON_GRPC_PORT: Final = 8001
TRITON_METRICS_PORT: Final = 8002
AGENT_PORT: Final = 8090
WEAVIATE_HTTP_PORT: Final = 8080
WEAVIATE_GRPC_PORT: Final = 50051

OPERATOR_ROLE: Final = "moorage-tenant-operator"
"""ClusterRole the operator binds to itself inside each tenant namespace: its right to write there."""

AGENT_ROLE: Final = "moorage-tenant-agent"
"""ClusterRole bound to ``AGENT_SERVICE_ACCOUNT`` inside the tenant namespace."""

SOURCES_ROLE: Final = "moorage-agent-sources"
"""Role, and its RoleBinding, by which the agents read the Secrets of sources; there only when a model names one."""

API_SERVICE_ACCOUNT: Final = "moorage-api"
"""ServiceAccount of the API in Moorage's own namespace."""

STORE_ROLE: Final = "moorage-api-store"
"""Role, and its RoleBinding, by which the API reads the Secret of an external vector store; there only with one."""

RESERVED_PREFIX: Final = "moorage-"
"""Names of Moorage's own Secrets begin so; no source and no external vector store may use one."""

CLAIMS_FOLDER: Final = "/claims"
"""Where the agent's container has the volume claims that sources may name, each under its own name."""

MEMBER_ROLES: Final = {
    "admin": "moorage-tenant-admin",
    "developer": "moorage-tenant-developer",
    "user": "moorage-tenant-viewer",
    "viewer": "moorage-tenant-viewer",
}
"""ClusterRole that a member's role becomes in the tenant namespace."""

MEMBER_ACCOUNTS: Final = {role: role.replace("moorage-tenant-", "moorage-") for role in MEMBER_ROLES.values()}
"""ClusterRole -> RoleBinding and ServiceAccount of that role in each tenant namespace."""


def store_user(rotation: int) -> str:
    """Return Weaviate's name for the user whose key a rotation of the credentials made."""
    return f"moorage-{rotation}"


def tenant_namespace(tenant: str) -> str:
    """Return the one namespace of a tenant."""
    return f"tenant-{tenant}"


def tenant_of_namespace(namespace: str) -> str | None:
    """Return the tenant a namespace name belongs to, or None for any other namespace."""
    prefix, _, tenant = namespace.partition("-")
    return tenant if prefix == "tenant" and tenant else None


def controller_revision(model: str, revision: str) -> str:
    """Return the ControllerRevision's name of a model's revision (8 hex digits)."""
    return f"{model}-{revision}"


def triton_name(model: str, revision: str) -> str:
    """Return the name under which Triton serves a revision; ``--`` cannot occur in a model's own name."""
    return f"{model}--{revision}"


def agent_field_manager(pod: str) -> str:
    """Return a replica's own field manager: two replicas under one name would take each other's entries away."""
    return f"moorage-agent-{pod}"[:128]
