"""The objects that a tenant shall have.

Separate from comparing and writing them: what a tenant gets is read here, and in the templates, alone. The Secret is
not among them, see ``credentials``; nor are revisions, see ``revisions``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from moorage_crds import labels, names
from moorage_crds.tenant import Member, ModelStore, TenantSpec
from moorage_operator.reconcile import claims, credentials, egress, resources, scaling, sources
from moorage_operator.reconcile.identity import first_tenant_id, identify, selector, tenant_id
from moorage_operator.reconcile.world import Manifest, Settings, World
from moorage_templates import (
    AutoscalerContext,
    BindingContext,
    Context,
    Fence,
    MemberContext,
    NamespaceContext,
    ReplicatedWeaviateContext,
    SourcesContext,
    TenantContext,
    TritonContext,
    WeaviateContext,
    render,
)

_RBAC: Final = "rbac.authorization.k8s.io"
_NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"
_API_PODS: Final = {"app.kubernetes.io/name": "moorage", "app.kubernetes.io/component": "api"}
_OPERATOR_PODS: Final = {"app.kubernetes.io/name": "moorage", "app.kubernetes.io/component": "operator"}
_DNS_PODS: Final = {"k8s-app": "kube-dns"}

OPERATOR_BINDING: Final = "moorage-operator"
"""RoleBinding made first: it is the operator's right to write anything else into the namespace."""

KIND_ORDER: Final = (
    "Namespace",
    "Role",
    "RoleBinding",
    "NetworkPolicy",
    "ServiceAccount",
    "ResourceQuota",
    "LimitRange",
    "Service",
    "PodDisruptionBudget",
    "Deployment",
    "StatefulSet",
    "HorizontalPodAutoscaler",
)
"""Order of creation: a fence before anything that could run behind it, limits before what they bound. All bindings come
first: they need no right in the namespace, and meanwhile the API server's authorizer learns of the operator's own."""


def desired(world: World, spec: TenantSpec, settings: Settings) -> tuple[dict[str, Any], ...]:
    """Return the manifests of a live Tenant's namespace and children, in order of creation.

    Raises InvalidInputError when the spec cannot be met.
    """
    manifests = (
        _namespace(world, tenant_id(world) or first_tenant_id(world.tenant or {}), _protection(world, spec)),
        *_part(world, None, "tenant", _tenant_context(spec)),
        *(manifest for binding in _bindings(world, spec, settings) for manifest in _bound(world, binding)),
        *_sources(world),
        *_store_secret(world, spec, settings),
        *(
            manifest
            for name in names.MEMBER_ACCOUNTS.values()
            for manifest in _part(world, None, "member", MemberContext(name))
        ),
        *_part(world, labels.COMPONENT_TRITON, "triton", _triton_context(world, spec, settings)),
        *_autoscaler(world, spec),
        *_weaviate(world, spec, settings),
    )
    return tuple(sorted(manifests, key=_rank))


def _rank(manifest: dict[str, Any]) -> tuple[bool, int, str]:
    kind, name = manifest["kind"], manifest["metadata"]["name"]
    is_first = kind == "Namespace" or name == OPERATOR_BINDING
    return not is_first, KIND_ORDER.index(kind), name


def _part(world: World, component: str | None, folder: str, context: Context) -> Iterator[dict[str, Any]]:
    for manifest in render(folder, context):
        namespace = None if manifest["kind"] == "Namespace" else world.namespace_name
        yield identify(manifest, world.tenant_name, namespace, component)


def _namespace(world: World, known: str, protection: dict[str, str]) -> dict[str, Any]:
    """Return the namespace of a tenant known by that tenantID."""
    context = NamespaceContext(name=world.namespace_name, annotations={labels.TENANT_ID: known} | protection)
    (manifest,) = _part(world, None, "namespace", context)
    return manifest


def _tenant_context(spec: TenantSpec) -> TenantContext:
    compute = resources.compute(spec)
    return TenantContext(
        hard=compute.hard,
        default_limits=compute.default_limits,
        default_requests=compute.default_requests,
    )


def unprotected_namespace(world: World) -> dict[str, Any]:
    """Return the namespace as a Tenant leaves it that goes: anybody with the right may delete it."""
    return _namespace(world, tenant_id(world) or "", {labels.DELETION_PROTECTION: "false"})


def is_protected(namespace: Manifest) -> bool:
    """Return whether the admission policy refuses to have the namespace deleted."""
    annotations: dict[str, str] = namespace["metadata"].get("annotations") or {}
    return annotations.get(labels.DELETION_PROTECTION) == "true"


def _protection(world: World, spec: TenantSpec) -> dict[str, str]:
    """Return the annotation that the admission policy reads; a namespace that was never protected goes without.

    It is set to false rather than left out: what the namespace was made with, by POST, an apply cannot take away.
    """
    annotations = (world.namespace or {"metadata": {}})["metadata"].get("annotations") or {}
    if spec.deletion_protection or labels.DELETION_PROTECTION in annotations:
        return {labels.DELETION_PROTECTION: str(spec.deletion_protection).lower()}
    return {}


def _bindings(world: World, spec: TenantSpec, settings: Settings) -> Iterator[BindingContext]:
    """Yield the bindings of operator, agent and each role of members."""
    yield _operators(settings)
    agent = _service_account(names.AGENT_SERVICE_ACCOUNT, world.namespace_name)
    yield BindingContext(names.AGENT_SERVICE_ACCOUNT, names.AGENT_ROLE, (agent,))
    for cluster_role, name in names.MEMBER_ACCOUNTS.items():
        account = _service_account(name, world.namespace_name)
        yield BindingContext(name, cluster_role, (account, *_subjects(spec.members, cluster_role)))


def _bound(world: World, binding: BindingContext) -> Iterator[dict[str, Any]]:
    """Yield a RoleBinding; its subjects differ by tenant, so they are put in past the cache of parsed texts."""
    for manifest in _part(world, None, "binding", replace(binding, subjects=())):
        yield {**manifest, "subjects": list(binding.subjects)}


def _operators(settings: Settings) -> BindingContext:
    operator = _service_account(settings.operator_service_account, settings.system_namespace)
    return BindingContext(OPERATOR_BINDING, names.OPERATOR_ROLE, (operator,))


def operator_binding(world: World, settings: Settings) -> dict[str, Any]:
    """Return the operator's own right in the namespace, without which it can take nothing away there."""
    (binding,) = _part(world, None, "binding", _operators(settings))
    return binding


def _sources(world: World) -> Iterator[dict[str, Any]]:
    """Yield the agents' right to the Secrets that sources name, nothing when none does."""
    secrets = sources.secrets(world)
    if secrets:
        agent = _service_account(names.AGENT_SERVICE_ACCOUNT, world.namespace_name)
        yield from _part(world, None, "sources", SourcesContext(secrets, (agent,)))


def _store_secret(world: World, spec: TenantSpec, settings: Settings) -> Iterator[dict[str, Any]]:
    """Yield the API's right to the Secret of an external vector store, nothing without one."""
    reference = spec.vector_store.external and spec.vector_store.external.credentials_secret_ref
    if reference and not reference.name.startswith(names.RESERVED_PREFIX):
        api = _service_account(names.API_SERVICE_ACCOUNT, settings.system_namespace)
        yield from _part(world, None, "sources", SourcesContext((reference.name,), (api,), names.STORE_ROLE))


def _service_account(name: str, namespace: str) -> dict[str, str]:
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def _subjects(members: Iterable[Member], cluster_role: str) -> Iterator[dict[str, str]]:
    """Yield the members with a role; Moorage's own service accounts mean nothing to Kubernetes and stay out."""
    for member in sorted(members, key=lambda member: (member.kind, member.name)):
        if member.kind != "ServiceAccount" and names.MEMBER_ROLES[member.role] == cluster_role:
            yield {"kind": member.kind, "name": member.name, "apiGroup": _RBAC}


def _fence(settings: Settings) -> Fence:
    return Fence(
        api_namespace={_NAMESPACE_NAME: settings.system_namespace},
        api_pods=_API_PODS,
        operator_pods=_OPERATOR_PODS,
        dns_namespace={_NAMESPACE_NAME: settings.dns_namespace},
        dns_pods=_DNS_PODS,
    )


def _counted(annotation: str, number: int) -> dict[str, str]:
    """Return the one thing that rolls pods when their credentials change; before a first change there is none."""
    return {annotation: str(number)} if number else {}


def _triton_context(world: World, spec: TenantSpec, settings: Settings) -> TritonContext:
    inference = spec.inference
    surge, replicas = resources.surge_pods(spec), scaling.replicas(world, spec)
    claim = _claim(inference.model_store)
    return TritonContext(
        selector=selector(labels.COMPONENT_TRITON),
        pod_annotations=_counted(labels.ROTATION, credentials.rotation(world)),
        sets_replicas=replicas is not None,
        replicas=replicas or 0,
        max_surge=surge,
        max_unavailable=1 - surge,
        triton_image=settings.triton_image,
        agent_image=settings.agent_image,
        image_pull_policy=settings.image_pull_policy,
        restrictions=_restrictions(),
        triton_resources=resources.triton(spec),
        agent_resources=resources.AGENT,
        model_store_size=_store_size(inference.model_store),
        model_store_directory=None if claim else {"sizeLimit": inference.model_store.size_limit},
        model_store_claim=claim,
        model_claims=sources.claims(inference.model_claims),
        denied_cidrs=",".join(settings.cluster_cidrs),
        ca_bundle=settings.tenants.ca_bundle,
        https_proxy=settings.proxy.url,
        no_proxy=",".join(settings.proxy.past),
        runtime_class_name=inference.runtime_class_name,
        pull_secrets=_pull_secrets(settings),
        node_selector=inference.node_selector,
        tolerations=tuple(toleration.manifest() for toleration in inference.tolerations),
        fence=_fence(settings),
        ingress_namespaces=tuple(sorted(spec.network.allow_ingress_from_namespaces)),
        api_server=egress.addresses(world.api_server),
        public_blocks=egress.public_blocks(spec.network.egress, settings.cluster_cidrs),
        listed_blocks=egress.listed_blocks(spec.network.egress),
        proxy_blocks=egress.proxy_blocks(spec.network.egress, settings.proxy),
        proxy_port=egress.proxy_port(settings.proxy),
    )


def _autoscaler(world: World, spec: TenantSpec) -> Iterator[dict[str, Any]]:
    bounds = spec.inference.autoscaling
    if bounds is not None and bounds.scaler_class == "HPA":
        context = AutoscalerContext(least=bounds.min, most=bounds.max, target_cpu=bounds.target_cpu)
        yield from _part(world, labels.COMPONENT_TRITON, "autoscaler", context)


def _pull_secrets(settings: Settings) -> tuple[dict[str, str], ...]:
    return tuple({"name": name} for name in settings.tenants.pull_secrets)


def _store_size(store: ModelStore) -> str:
    return store.storage.size if store.storage else store.size_limit


def _claim(store: ModelStore) -> dict[str, Any] | None:
    """Return the spec of a pod's volume claim for its models, None where they lie on the node."""
    if store.storage is None:
        return None
    chosen = store.storage.storage_class_name
    return {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": store.storage.size}},
    } | ({"storageClassName": chosen} if chosen else {})


def _restrictions() -> tuple[str, ...]:
    """Return Triton's arguments that close its APIs to everybody without the tenant's keys, over HTTP and gRPC.

    The keys come from the pod's environment: Kubernetes expands ``$(NAME)``, so no manifest carries one.
    """
    inference = f"inference,metadata,model-config,statistics:{names.INFERENCE_HEADER}=$(TRITON_INFERENCE_KEY)"
    management = f"model-repository,shared-memory,trace,logging:{names.MANAGEMENT_HEADER}=$(TRITON_MANAGEMENT_KEY)"
    flags = ("--http-restricted-api", "--grpc-restricted-protocol")
    return tuple(f"{flag}={group}" for flag in flags for group in (inference, management))


def _weaviate(world: World, spec: TenantSpec, settings: Settings) -> Iterator[dict[str, Any]]:
    store = spec.vector_store
    if not store.pods:
        return
    compute = resources.weaviate(spec)
    context = WeaviateContext(
        selector=selector(labels.COMPONENT_WEAVIATE),
        pod_annotations=_counted(labels.STORE_ROOT, credentials.store_root(world)),
        replicas=0 if spec.suspend else store.replicas,
        is_replicated=store.replicas > 1,
        raft_join=",".join(f"{names.WEAVIATE}-{number}" for number in range(store.replicas)),
        raft_expect=str(store.replicas),
        image=settings.weaviate_image,
        image_pull_policy=settings.image_pull_policy,
        resources=compute,
        go_memory_limit=resources.go_memory_limit(compute),
        storage_size=claims.template_size(world, store),
        storage_class_name=store.storage.storage_class_name,
        pull_secrets=_pull_secrets(settings),
        fence=_fence(settings),
    )
    yield from _part(world, labels.COMPONENT_WEAVIATE, "weaviate", context)
    if store.replicas > 1:
        replicated = ReplicatedWeaviateContext(selector=selector(labels.COMPONENT_WEAVIATE))
        yield from _part(world, labels.COMPONENT_WEAVIATE, "weaviate-replicated", replicated)
