"""What the routes about models take and answer."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from moorage_crds.modeldeployment import ModelDeploymentSpec, ModelDeploymentStatus
from moorage_crds.names import MODEL_NAME_MAX
from moorage_crds.schema import DNS_LABEL

_Spec = Annotated[ModelDeploymentSpec, BeforeValidator(ModelDeploymentSpec.from_manifest)]
"""A spec as it stands in a manifest: camelCase alone, as through kubectl."""


class ModelSpecOnly(BaseModel):
    """The new spec of a model; what it leaves out returns to its default, unless another manager owns it."""

    model_config = ConfigDict(extra="forbid")

    spec: _Spec

    def manifest_spec(self) -> dict[str, object]:
        """Return the spec as it was sent: a default that nobody wrote is not ours to own."""
        return self.spec.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)


class NewModel(ModelSpecOnly):
    """A model to be made."""

    name: Annotated[str, Field(pattern=DNS_LABEL, max_length=MODEL_NAME_MAX)]


class RevisionChoice(BaseModel):
    """Which revision is meant."""

    model_config = ConfigDict(extra="forbid")

    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")] | None = None
    """Revision hash; left out, it follows from the model's status."""


class ModelView(BaseModel):
    """A model."""

    name: str
    uid: str
    generation: int
    created_at: str
    deleting: bool
    spec: ModelDeploymentSpec
    status: ModelDeploymentStatus | None
