"""What each folder of templates is told: one frozen dataclass per folder, JSON values only.

Separate from the resources' own models: a template never sees a raw spec, so what it can depend on is listed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moorage_crds import names

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NamespaceContext:
    """Of ``namespace/``: the tenant namespace, the one object that is different in each tenant."""

    name: str
    annotations: Labels


@dataclass(frozen=True, slots=True)
class TenantContext:
    """Of ``tenant/``: what exists in every tenant namespace."""

    hard: Labels
    """Hard limits of the quota, by resource name."""
    default_limits: Labels
    """Limits of a container that names none."""
    default_requests: Labels
    """Requests of a container that names neither requests nor limits."""
    name: str = "moorage"
    """Of ResourceQuota and LimitRange."""


@dataclass(frozen=True, slots=True)
class BindingContext:
    """Of ``binding/``: one role given to subjects inside the tenant namespace."""

    name: str
    cluster_role: str
    subjects: tuple[Mapping[str, str], ...]
    """Complete subjects, ``apiGroup`` included where it is not empty."""


@dataclass(frozen=True, slots=True)
class SourcesContext:
    """Of ``sources/``: somebody's right to read Secrets by name; by default the agents', to those that sources name."""

    secrets: tuple[str, ...]
    subjects: tuple[Mapping[str, str], ...]
    name: str = names.SOURCES_ROLE


@dataclass(frozen=True, slots=True)
class MemberContext:
    """Of ``member/``: the account that stands for a role of members."""

    name: str


@dataclass(frozen=True, slots=True)
class CredentialsContext:
    """Of ``credentials/``: the tenant's Secret."""

    data: Labels
    """Base64 of each key's value."""
    annotations: Labels
    name: str = names.CREDENTIALS


@dataclass(frozen=True, slots=True)
class Fence:
    """Labels that the network policies of all parts select by."""

    api_namespace: Labels
    api_pods: Labels
    operator_pods: Labels
    """In the same namespace as the API's."""
    dns_namespace: Labels
    dns_pods: Labels


@dataclass(frozen=True, slots=True)
class Address:
    """One host and port that pods may connect to."""

    cidr: str
    """Single-address range such as ``10.0.0.1/32``."""
    port: int


@dataclass(frozen=True, slots=True)
class ModelClaim:
    """A volume claim that the agent reads models from."""

    volume: str
    claim: str
    path: str


@dataclass(frozen=True, slots=True)
class TritonContext:
    """Of ``triton/``: the inference server and its fence."""

    selector: Labels
    pod_annotations: Labels
    sets_replicas: bool
    """False once an autoscaler says how many there are."""
    replicas: int
    max_surge: int
    max_unavailable: int
    triton_image: str
    agent_image: str
    image_pull_policy: str
    restrictions: tuple[str, ...]
    """Arguments that demand a key for each group of Triton's own APIs."""
    triton_resources: Mapping[str, Any]
    agent_resources: Mapping[str, Any]
    model_store_size: str
    model_store_directory: Mapping[str, Any] | None
    """The store's ``emptyDir``, None when it is a claim."""
    model_store_claim: Mapping[str, Any] | None
    """Spec of the store's volume claim, None when it is a directory."""
    model_claims: tuple[ModelClaim, ...]
    denied_cidrs: str
    """The cluster's own ranges, comma between; sources must not lead there even where they are public."""
    ca_bundle: str
    """Certificates of the platform's own authorities, as PEM; empty when there are none."""
    https_proxy: str
    """Address of the proxy that the agent fetches sources through; empty when there is none."""
    no_proxy: str
    """What it reaches without the proxy, comma between."""
    runtime_class_name: str | None
    pull_secrets: tuple[Mapping[str, str], ...]
    node_selector: Labels
    tolerations: tuple[Mapping[str, Any], ...]
    fence: Fence
    ingress_namespaces: tuple[str, ...]
    """Namespaces whose pods may connect to Triton past the API."""
    api_server: tuple[Address, ...]
    public_blocks: tuple[Mapping[str, Any], ...]
    """``ipBlock`` values reachable on port 443."""
    listed_blocks: tuple[Mapping[str, Any], ...]
    """``ipBlock`` values reachable on every port."""
    proxy_blocks: tuple[Mapping[str, Any], ...]
    """``ipBlock`` values of the proxy, reachable on its port."""
    proxy_port: int
    triton_grpc: str = f"127.0.0.1:{names.TRITON_GRPC_PORT}"
    name: str = names.TRITON
    service_account: str = names.AGENT_SERVICE_ACCOUNT
    credentials: str = names.CREDENTIALS
    inference_key: str = names.INFERENCE_KEY
    management_key: str = names.MANAGEMENT_KEY
    http_port: int = names.TRITON_HTTP_PORT
    grpc_port: int = names.TRITON_GRPC_PORT
    metrics_port: int = names.TRITON_METRICS_PORT
    agent_port: int = names.AGENT_PORT


@dataclass(frozen=True, slots=True)
class AutoscalerContext:
    """Of ``autoscaler/``: what chooses the number of Triton pods by their load."""

    least: int
    most: int
    target_cpu: int
    """In percent of what the container requests."""
    name: str = names.TRITON


@dataclass(frozen=True, slots=True)
class WeaviateContext:
    """Of ``weaviate/``: the vector store and its fence."""

    selector: Labels
    pod_annotations: Labels
    replicas: int
    is_replicated: bool
    raft_join: str
    """Names of the pods that vote, comma between."""
    raft_expect: str
    """How many of them must be there before the first start."""
    image: str
    image_pull_policy: str
    resources: Mapping[str, Any]
    go_memory_limit: str | None
    """Value of GOMEMLIMIT, None when the container has no memory limit of its own."""
    storage_size: str
    storage_class_name: str | None
    pull_secrets: tuple[Mapping[str, str], ...]
    fence: Fence
    root_user: str = names.WEAVIATE_ROOT
    name: str = names.WEAVIATE
    headless_name: str = names.WEAVIATE_HEADLESS
    port_argument: str = f"--port={names.WEAVIATE_HTTP_PORT}"
    credentials: str = names.CREDENTIALS
    root_key: str = names.WEAVIATE_ROOT_KEY
    http_port: int = names.WEAVIATE_HTTP_PORT
    grpc_port: int = names.WEAVIATE_GRPC_PORT


@dataclass(frozen=True, slots=True)
class ReplicatedWeaviateContext:
    """Of ``weaviate-replicated/``: what a vector store of several pods has besides."""

    selector: Labels
    name: str = names.WEAVIATE


Context = (
    NamespaceContext
    | TenantContext
    | BindingContext
    | MemberContext
    | SourcesContext
    | CredentialsContext
    | TritonContext
    | AutoscalerContext
    | WeaviateContext
    | ReplicatedWeaviateContext
)
