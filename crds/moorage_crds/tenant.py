"""The Tenant: a cluster-scoped resource that owns exactly one namespace and the stack inside it."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, JsonValue

from moorage_crds.names import RESERVED_PREFIX, TENANT_NAME_MAX, WEAVIATE_GRPC_PORT
from moorage_crds.schema import (
    DNS_LABEL,
    DNS_SUBDOMAIN,
    Condition,
    Duration,
    Quantity,
    Resources,
    Schema,
    SecretReference,
)

_STORE_SIZE = "quantity({}.spec.vectorStore.storage.size)"
_NEW_CLASS, _OLD_CLASS = (f"{one}.spec.vectorStore.storage.storageClassName" for one in ("self", "oldSelf"))
_SAME_CLASS = f"has({_NEW_CLASS}) == has({_OLD_CLASS}) && (!has({_NEW_CLASS}) || {_NEW_CLASS} == {_OLD_CLASS})"
_DNS_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
_EXTENDED_RESOURCE = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
_StorageClass = Annotated[str, Field(pattern=_DNS_NAME, max_length=253)]
_NamespaceName = Annotated[str, Field(pattern=DNS_LABEL, max_length=63)]
_Cidr = Annotated[str, Field(pattern=r"^[0-9a-fA-F:.]+/[0-9]{1,3}$", max_length=49)]
_PORT = r"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_Endpoint = Annotated[str, Field(pattern=rf"^https://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:{_PORT})?$", max_length=267)]

_ClaimName = Annotated[str, Field(pattern=DNS_SUBDOMAIN, max_length=253)]


class Member(Schema):
    """A subject with a role in the tenant."""

    kind: Literal["User", "Group", "ServiceAccount"]
    """Kind of subject. ``ServiceAccount`` is one of Moorage's, not of Kubernetes'."""
    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9._@]*[a-z0-9])?$", max_length=63)]
    """The subject's immutable name; never a Kubernetes ``system:`` name."""
    role: Literal["admin", "developer", "user", "viewer"]
    """What the subject may do in the tenant."""


class Quota(Schema):
    """Upper bounds of everything the tenant runs together; room for one surge replica comes on top."""

    cpu: Quantity = "8"
    """CPU cores of all pods."""
    memory: Quantity = "16Gi"
    """Memory of all pods."""
    storage: Quantity = "100Gi"
    """Sum of all volume claims."""
    gpu: Annotated[int, Field(ge=0, le=1000)] = 0
    """GPUs, or parts of one, of all pods: units of ``inference.gpu.resourceName``."""
    pods: Annotated[int, Field(ge=1, le=1000)] = 20
    """Number of pods."""
    models: Annotated[int, Field(ge=0, le=1000)] = 50
    """Number of ModelDeployments."""
    objects: Annotated[int, Field(ge=0, le=1_000_000_000)] = 1_000_000
    """Objects of all collections."""
    requests_per_second: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    """Requests that the gateway admits every second, in the long run."""
    burst: Annotated[int, Field(ge=1, le=1_000_000)] = 200
    """Requests that the gateway admits at once after a pause."""
    concurrent_requests: Annotated[int, Field(ge=1, le=100_000)] = 64
    """Requests that the gateway answers at the same time."""


class ModelStorage(Schema):
    """A volume claim that is made and deleted with its pod."""

    size: Quantity = "10Gi"
    """Size of each claim; the quota's ``storage`` counts them."""
    storage_class_name: _StorageClass | None = None
    """Storage class; absent means the cluster's default."""


class ModelStore(Schema):
    """Where a replica keeps the files of its revisions."""

    size_limit: Quantity = "10Gi"
    """Largest size of the store, an emptyDir of the pod; means nothing beside ``storage``."""
    storage: ModelStorage | None = None
    """A volume claim for each pod instead of the node's own disk."""


class Toleration(Schema):
    """A taint that the pods may run beside, as in a pod's ``tolerations``."""

    key: Annotated[str, Field(max_length=316)] | None = None
    """Taint key; absent matches all with operator Exists."""
    operator: Literal["Exists", "Equal"] = "Equal"
    """How ``value`` is compared."""
    value: Annotated[str, Field(max_length=63)] | None = None
    """Taint value."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Taint effect; absent matches all."""


class Gpu(Schema):
    """GPUs of each Triton pod."""

    resource_name: Annotated[str, Field(pattern=_EXTENDED_RESOURCE, max_length=128)] = "nvidia.com/gpu"
    """What a node's device plug-in calls them, such as ``nvidia.com/mig-1g.5gb`` for a part of one."""
    count: Annotated[int, Field(ge=0, le=64)] = 0
    """How many each pod gets."""


class Autoscaling(Schema):
    """Bounds between which somebody else than the spec chooses the number of Triton pods."""

    scaler_class: Annotated[Literal["HPA", "External"], Field(alias="class")] = "HPA"
    """Who chooses: a HorizontalPodAutoscaler that the operator makes, or whoever scales the Deployment, say KEDA."""
    min: Annotated[int, Field(ge=1, le=100)] = 1
    """Fewest pods."""
    max: Annotated[int, Field(ge=1, le=100)]
    """Most pods; the quota has to hold them."""
    target_cpu: Annotated[int, Field(ge=1, le=1000, alias="targetCPU")] = 80
    """CPU that Triton's container shall use on average, in percent of what it requests; only for class ``HPA``."""


class Inference(Schema):
    """The tenant's Triton server."""

    replicas: Annotated[int, Field(ge=0, le=100)] = 1
    """Number of Triton pods; means nothing beside ``autoscaling``."""
    autoscaling: Autoscaling | None = Field(
        default=None,
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": "self.min <= self.max", "message": "spec.inference.autoscaling.min must not exceed max"}
            ]
        },
    )
    """Let the load choose the number of Triton pods; absent means ``replicas``."""
    surge: bool = True
    """Whether a rolling update starts a new pod before it ends an old one; the quota leaves room for it."""
    resources: Resources = Resources()
    """Compute of each Triton container."""
    gpu: Gpu = Gpu()
    """GPUs of each Triton pod."""
    python_backend: Literal["Disabled", "Enabled"] = "Disabled"
    """Whether models may bring Python code, which runs unsandboxed inside the tenant's Triton."""
    runtime_class_name: Annotated[str, Field(pattern=_DNS_NAME, max_length=253)] | None = None
    """RuntimeClass of Triton's pods, such as a sandbox; absent means the cluster's default."""
    node_selector: dict[str, Annotated[str, Field(max_length=63)]] = Field(default={}, max_length=16)
    """Labels that a node must carry to run Triton."""
    tolerations: list[Toleration] = Field(default=[], max_length=16)
    """Taints that Triton's pods may run beside."""
    model_store: ModelStore = ModelStore()
    """Where a replica keeps the files of its revisions."""
    model_claims: list[_ClaimName] = Field(
        default=[], max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"}
    )
    """Volume claims of the tenant namespace that ``pvc://`` sources may name; only the agents mount them, read-only."""


class VectorStorage(Schema):
    """The vector store's volume."""

    size: Quantity = "10Gi"
    """Size of the volume claim; it may grow."""
    storage_class_name: _StorageClass | None = None
    """Storage class; absent means the cluster's default. Set at creation."""


_APART = " && ".join(
    f"self.endpoint{one} != self.grpcEndpoint{other}" for one, other in (("", ""), (" + ':443'", ""), ("", " + ':443'"))
)
_EXTERNAL_RULES: list[JsonValue] = [
    {
        "rule": f"has(self.grpcEndpoint) ? {_APART} : !self.endpoint.endsWith(':{WEAVIATE_GRPC_PORT}')",
        "message": "endpoint and grpcEndpoint of spec.vectorStore.external need a host or a port of their own",
    },
    {
        "rule": f"!has(self.credentialsSecretRef) || !self.credentialsSecretRef.name.startsWith('{RESERVED_PREFIX}')",
        "message": "spec.vectorStore.external.credentialsSecretRef must not be one of Moorage's own Secrets",
    },
]


class ExternalStore(Schema):
    """A Weaviate that somebody else runs."""

    endpoint: _Endpoint
    """``https://`` address of its HTTP API: a host and perhaps a port."""
    grpc_endpoint: _Endpoint | None = None
    """``https://`` address of its gRPC API; absent means what Weaviate Cloud has, elsewhere Weaviate's own port."""
    credentials_secret_ref: SecretReference | None = None
    """Secret with its ``apiKey``; absent means that it lets everybody in."""


class VectorStore(Schema):
    """The tenant's vector store."""

    backend: Literal["Weaviate", "None"] = "Weaviate"
    """Which store the tenant gets."""
    replicas: Literal[1, 3] = 1
    """Number of the store's pods; two would lose their quorum with one. Set at creation."""
    storage: VectorStorage = VectorStorage()
    """The volume of each of the store's pods."""
    resources: Resources = Resources()
    """Compute of the store's container."""
    external: ExternalStore | None = Field(
        default=None, json_schema_extra={"x-kubernetes-validations": _EXTERNAL_RULES}
    )
    """A Weaviate that somebody else runs, instead of one of the tenant's own. Set at creation."""

    @property
    def pods(self) -> int:
        """Return the number of the store's own pods: none without a store, and none of one that is elsewhere."""
        return 0 if self.backend == "None" or self.external else self.replicas


class Egress(Schema):
    """Where the tenant's Triton pods may connect to."""

    mode: Literal["PublicHTTPS", "Listed", "None"] = "PublicHTTPS"
    """``PublicHTTPS``: port 443 of public addresses; ``Listed``: ``cidrs`` alone; ``None``: nothing outside."""
    cidrs: list[_Cidr] = Field(default=[], max_length=64)
    """Address ranges reachable on every port, in any mode but ``None``."""


class Network(Schema):
    """The tenant's network fence."""

    egress: Egress = Egress()
    """Where the tenant's Triton pods may connect to."""
    allow_ingress_from_namespaces: list[_NamespaceName] = Field(
        default=[], max_length=64, json_schema_extra={"x-kubernetes-list-type": "set"}
    )
    """Namespaces whose pods may connect to the tenant's Triton, beside the API; each call needs the tenant's key."""


class Credentials(Schema):
    """The keys of the tenant's own Triton and vector store, in the Secret ``moorage-credentials``."""

    rotation_period: Duration = "2160h"
    """Greatest age of a key; ``0s`` means that keys are rotated on demand only."""


class TenantSpec(Schema):
    """What a tenant shall be."""

    display_name: Annotated[str, Field(max_length=253)] = ""
    """Name for people."""
    suspend: bool = False
    """True: no pod runs and all data stays; requests are answered with 503 ``tenant-suspended``."""
    deletion_policy: Literal["Delete", "Retain"] = "Delete"
    """What becomes of the namespace when the Tenant is deleted: ``Retain`` keeps volumes, Secret and models in it."""
    deletion_protection: bool = False
    """True: the API server refuses to delete the Tenant or its namespace."""
    members: list[Member] = Field(
        default=[],
        max_length=256,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["kind", "name"]},
    )
    """The platform's list of members; memberships made through the API are kept by the API."""
    quota: Quota = Quota()
    """Upper bounds of everything the tenant runs together."""
    inference: Inference = Inference()
    """The tenant's Triton server."""
    vector_store: VectorStore = VectorStore()
    """The tenant's vector store."""
    network: Network = Network()
    """The tenant's network fence."""
    credentials: Credentials = Credentials()
    """The keys of the tenant's own Triton and vector store."""


class TenantEndpoints(Schema):
    """Addresses for people who debug; clients use the API."""

    triton: str | None = None
    """Host name of the headless Service of Triton."""
    weaviate: str | None = None
    """Host of the vector store: of its Service, or of the external one with its port."""


class ModelCounts(Schema):
    """How the tenant's models are doing."""

    total: int = 0
    """ModelDeployments in the namespace."""
    ready: int = 0
    """Those with Ready=True."""
    failed: int = 0
    """Those with Stalled=True."""


class TenantStatus(Schema):
    """What a tenant is, written by the operator alone."""

    observed_generation: int | None = None
    """Generation of the spec that the status speaks of."""
    tenant_id: str | None = Field(default=None, alias="tenantID")
    """The Tenant's UID at first creation; keys of its data derive from it."""
    namespace: str | None = None
    """The tenant namespace."""
    conditions: list[Condition] | None = Field(
        default=None,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    """Ready, Reconciling, Stalled and one condition per part."""
    endpoints: TenantEndpoints | None = None
    """Addresses for people who debug."""
    models: ModelCounts | None = None
    """How the tenant's models are doing."""
    last_rotation: str | None = None
    """RFC 3339 time at which the tenant's credentials were last made or rotated."""


class Tenant(Schema):
    """Tenant gives a customer, team or product an inference stack of its own.

    It owns one namespace with Triton, a vector store, credentials, quotas and a network fence.
    """

    PLURAL: ClassVar = "tenants"
    KIND: ClassVar = "Tenant"
    SHORT_NAME: ClassVar = "tn"
    SCOPE: ClassVar = "Cluster"
    RULES: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            f"self.metadata.name.size() <= {TENANT_NAME_MAX} && self.metadata.name.matches('{DNS_LABEL}')",
            f"metadata.name must be a DNS label of at most {TENANT_NAME_MAX} characters",
        ),
        (
            _SAME_CLASS,
            "spec.vectorStore.storage.storageClassName cannot be changed after creation",
        ),
        (
            f"{_STORE_SIZE.format('self')}.compareTo({_STORE_SIZE.format('oldSelf')}) >= 0",
            "spec.vectorStore.storage.size cannot shrink",
        ),
        (
            "self.spec.vectorStore.replicas == oldSelf.spec.vectorStore.replicas",
            "spec.vectorStore.replicas cannot be changed after creation",
        ),
        (
            "!has(self.spec.vectorStore.external) || self.spec.vectorStore.backend == 'Weaviate'",
            "spec.vectorStore.external goes with backend Weaviate",
        ),
        (
            "has(self.spec.vectorStore.external) == has(oldSelf.spec.vectorStore.external)",
            "spec.vectorStore.external cannot be added or removed after creation",
        ),
        (
            "[duration(self.spec.credentials.rotationPeriod)].all(d, d == duration('0s') || d >= duration('24h'))",
            "spec.credentials.rotationPeriod must be 0s or at least 24h",
        ),
    )
    COLUMNS: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
        ("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason'),
        ("Models", "integer", ".status.models.total"),
        ("Failed", "integer", ".status.models.failed"),
        ("Age", "date", ".metadata.creationTimestamp"),
    )

    spec: TenantSpec = TenantSpec()
    """What the tenant shall be."""
    status: TenantStatus | None = None
    """What the tenant is, written by the operator alone."""


def parse_spec(manifest: dict[str, Any]) -> TenantSpec:
    """Return the spec of a Tenant manifest, defaults filled in; raises pydantic.ValidationError."""
    return TenantSpec.from_manifest(manifest.get("spec", {}))
