"""The YAML of everything a tenant gets, as templates that read like ``kubectl get -o yaml``.

Separate from the operator so that the manifests can be read and reviewed without reading a program. Values come from a
frozen dataclass per folder, see ``contexts``; names, addresses and arithmetic are done before they reach a template.
"""

from moorage_templates.contexts import (
    Address,
    AutoscalerContext,
    BindingContext,
    Context,
    CredentialsContext,
    Fence,
    MemberContext,
    ModelClaim,
    NamespaceContext,
    ReplicatedWeaviateContext,
    SourcesContext,
    TenantContext,
    TritonContext,
    WeaviateContext,
)
from moorage_templates.render import render, render_secret

__all__ = [
    "Address",
    "AutoscalerContext",
    "BindingContext",
    "Context",
    "CredentialsContext",
    "Fence",
    "MemberContext",
    "ModelClaim",
    "NamespaceContext",
    "ReplicatedWeaviateContext",
    "SourcesContext",
    "TenantContext",
    "TritonContext",
    "WeaviateContext",
    "render",
    "render_secret",
]
