"""Settings of the operator process, read from the environment once and injected from there on.

Separate because they are the process's only input besides the API server; nothing else reads the environment.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from moorage_crds.schema import PROXY_URL

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "MOORAGE_"

_Port = Annotated[int, Field(ge=0, le=65535)]


def _split(value: Any) -> Any:
    """Turn a comma list of the environment into its parts."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


class Settings(BaseModel):
    """What an operator process is told; each field is the variable ``MOORAGE_<FIELD>``."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    system_namespace: str = "moorage-system"
    """Namespace of Moorage itself: the Lease is kept there, and API pods live there."""
    operator_service_account: str = "moorage-operator"
    """ServiceAccount in ``system_namespace`` that the operator binds to its workload role in each tenant."""
    triton_image: str = "moorage/triton:dev"
    """Image of the inference server."""
    agent_image: str = "moorage/agent:dev"
    """Image of the model agent."""
    weaviate_image: str = "moorage/weaviate:dev"
    """Image of the vector store."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """Pull policy of all three images."""
    pod_name: str = Field(default_factory=socket.gethostname)
    """Identity in the Lease; unique per process, so a pod's name."""
    dns_namespace: str = "kube-system"
    """Namespace of the cluster's DNS pods, which every tenant pod may ask."""
    workers: Annotated[int, Field(ge=1, le=64)] = 8
    """Tenants reconciled at the same time. Eight writes in flight reach 80 % of what an API server takes at most."""
    upgrade_budget: Annotated[int, Field(ge=1)] = 5
    """Tenants whose pods a new version or other settings of the operator replace at the same time."""
    listen_address: str = "0.0.0.0"  # noqa: S104 - the kubelet and Prometheus come from outside the pod
    """Address of the health and metrics ports."""
    health_port: _Port = 8080
    """Port of the liveness probe."""
    metrics_port: _Port = 9090
    """Port of Prometheus metrics."""
    resync_seconds: Annotated[float, Field(gt=0)] = 600
    """Period in which every tenant is compared anew without any event, in seconds."""
    cluster_cidrs: Annotated[tuple[str, ...], BeforeValidator(_split)] = ()
    """Pod and Service ranges of the cluster, kept out of ``PublicHTTPS`` besides the private ranges."""

    agent_https_proxy: Annotated[str, Field(pattern=f"^{PROXY_URL}$")] | None = None
    """Address of the HTTP proxy that agents fetch models' sources through, without user and password."""
    agent_no_proxy: Annotated[tuple[str, ...], BeforeValidator(_split)] = ()
    """Hosts, with all below them, and address ranges that agents reach without the proxy."""
    agent_proxy_cidrs: Annotated[tuple[str, ...], BeforeValidator(_split)] = ()
    """Address ranges of the proxy itself, which tenants' network policies let agents reach on its port."""

    tenant_storage_classes: Annotated[tuple[str, ...], BeforeValidator(_split)] = ()
    """Storage classes that a Tenant may name; none means all."""
    tenant_runtime_classes: Annotated[tuple[str, ...], BeforeValidator(_split)] = ()
    """Runtime classes that a Tenant may name; none means all."""
    python_needs_runtime_class: bool = False
    """Whether a Tenant with ``pythonBackend: Enabled`` must name a runtime class."""
    tenant_pull_secrets: Annotated[tuple[str, ...], BeforeValidator(_split)] = ()
    """Names of the pull Secrets of tenants' pods, in each tenant namespace."""
    tenant_ca_bundle: Annotated[str, Field(pattern=r"^-----BEGIN CERTIFICATE-----", max_length=65536)] | None = None
    """PEM certificates of authorities that models' sources may show besides the public ones."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Return the settings of an environment; empty variables count as absent.

        Raises pydantic.ValidationError, which names the field and what was expected. Variables of the prefix that
        are no field are left alone: Kubernetes adds its own service links.
        """
        given = {name: environment.get(PREFIX + name.upper(), "") for name in cls.model_fields}
        return cls.model_validate({name: value for name, value in given.items() if value})
