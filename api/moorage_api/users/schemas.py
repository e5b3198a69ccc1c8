"""What the routes about people take and answer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from moorage_crds.permissions import PlatformRole, TenantRole

SUBJECT_NAME = r"^[a-z0-9]([-a-z0-9._@]*[a-z0-9])?$"
"""The same rule as ``Tenant.spec.members``: lower case, and never Kubernetes' own ``system:`` names."""


class NewUser(BaseModel):
    """A person to be let in."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=SUBJECT_NAME, max_length=63)]
    """Immutable, and never given to anybody else."""
    platform_role: PlatformRole = "user"


class User(BaseModel):
    """A person."""

    name: str
    platform_role: PlatformRole
    created_at: datetime
    disabled: bool


class CreatedUser(User):
    """A new person with the password to begin with; it is shown this once."""

    initial_password: str


class TenantMembership(BaseModel):
    """A tenant that the caller is a member of, or that its API key belongs to."""

    name: str
    role: TenantRole | None
    """None when an API key's power comes from its owner's platform role alone."""
    permissions: list[str]


class Me(BaseModel):
    """Who calls, and what they may do."""

    name: str
    kind: Literal["User", "ServiceAccount"]
    platform_role: PlatformRole
    permissions: list[str]
    """Held everywhere, by the platform role."""
    password_change_required: bool
    """The present password is known to others."""
    tenants: list[TenantMembership]
    """Tenants with a role for the caller; a platform role may show more of them."""
