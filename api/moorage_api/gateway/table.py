"""Every route of the gateway, once: the dispatcher that answers them and the documented routes are built from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from moorage_crds import permissions

API_BASE: Final = "/api/v1"
TENANT_BASE: Final = f"{API_BASE}/tenants/{{tenant}}"
"""Base path of a tenant; ``tritonclient`` takes it as a part of its ``url``."""

AuditClass = Literal["read", "inference"]
"""How a request counts for the audit log: refusals of either are aggregated, successes are not entries."""

Rewrite = Literal["none", "object", "inference"]
"""Where Triton's name for the model stands in the answer: nowhere, in a small JSON object, in the head of tensors."""


@dataclass(frozen=True)
class GatewayRoute:
    """One route below ``TENANT_BASE``."""

    method: Literal["GET", "POST"]
    template: str
    """Path below the tenant's base, with ``{model}`` and ``{version}`` where they occur."""
    upstream: str
    """Path that Triton is asked for, with the same placeholders; ``{model}`` becomes Triton's name."""
    permission: str
    audit: AuditClass
    summary: str
    rewrite: Rewrite = "none"

    @property
    def path(self) -> str:
        """The whole path, as the OpenAPI document shows it."""
        return f"{TENANT_BASE}/{self.template}"


def _get(template: str, summary: str, rewrite: Rewrite = "none", upstream: str | None = None) -> GatewayRoute:
    return GatewayRoute(
        "GET", template, upstream or f"/{template}", permissions.MODELS_READ, "read", summary, rewrite=rewrite
    )


def _model_routes(base: str, of: str) -> tuple[GatewayRoute, ...]:
    return (
        _get(base, f"Metadata of {of}", "object"),
        _get(f"{base}/ready", f"Whether {of} is ready"),
        _get(f"{base}/config", f"Triton's configuration of {of}", "object"),
        _get(f"{base}/stats", f"Statistics of {of} on one replica", "object"),
        GatewayRoute(
            "POST",
            f"{base}/infer",
            f"/{base}/infer",
            permissions.MODELS_INFER,
            "inference",
            f"Infer with {of}",
            rewrite="inference",
        ),
    )


# A replica is ready when it is alive. Triton's own ready turns false for ever after one first load that failed, and
# for every model while any model loads.
_ALIVE: Final = "/v2/health/live"

GATEWAY_ROUTES: Final[tuple[GatewayRoute, ...]] = (
    _get("v2", "Metadata of the tenant's Triton server"),
    _get("v2/health/live", "Whether the tenant's Triton server is alive", upstream=_ALIVE),
    _get("v2/health/ready", "Whether the tenant's Triton server takes requests", upstream=_ALIVE),
    *_model_routes("v2/models/{model}", "a model"),
    *_model_routes("v2/models/{model}/versions/{version}", "a version of a model"),
)
