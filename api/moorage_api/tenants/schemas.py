"""What the routes about tenants take and answer."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from moorage_crds.names import TENANT_NAME_MAX
from moorage_crds.schema import DNS_LABEL
from moorage_crds.tenant import TenantSpec, TenantStatus

_Spec = Annotated[TenantSpec, BeforeValidator(TenantSpec.from_manifest)]
"""A spec as it stands in a manifest: camelCase alone, as through kubectl."""


class TenantSpecOnly(BaseModel):
    """The new spec of a tenant; what it leaves out returns to its default, unless another manager owns it."""

    model_config = ConfigDict(extra="forbid")

    spec: _Spec

    def manifest_spec(self) -> dict[str, object]:
        """Return the spec as it was sent: a default that nobody wrote is not ours to own."""
        return self.spec.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)


class NewTenant(TenantSpecOnly):
    """A tenant to be made."""

    name: Annotated[str, Field(pattern=DNS_LABEL, max_length=TENANT_NAME_MAX)]
    spec: _Spec = TenantSpec()


class Adoption(BaseModel):
    """The retained namespace that a tenant shall take over."""

    model_config = ConfigDict(extra="forbid")

    tenant_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?$", max_length=63)]


class TenantView(BaseModel):
    """A tenant."""

    name: str
    uid: str
    generation: int
    created_at: str
    deleting: bool
    spec: TenantSpec
    status: TenantStatus | None
