"""Building blocks of both resources: the base model and quantities, durations and conditions.

Separate from the resources so that each of them reads as its own field list.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict
from typing_extensions import override

DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DNS_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti|P|Pi)?$"

Quantity = Annotated[str, Field(pattern=QUANTITY, max_length=24)]
"""A Kubernetes quantity such as ``500m`` or ``16Gi``."""


DURATION = r"^([0-9]+(h|m|s))+$"

Duration = Annotated[str, Field(pattern=DURATION, max_length=16)]
"""A length of time such as ``2160h`` or ``1h30m``, as Go writes it."""

PROXY_URL = r"http://[A-Za-z0-9.-]+:[0-9]{1,5}"
"""Address of an HTTP proxy: no user, no password, always a port."""


class Schema(BaseModel):
    """Base of every part of a resource: camelCase outside, snake_case inside, unknown fields are errors."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )

    @classmethod
    def from_manifest(cls, value: object) -> Self:
        """Return the part that stands in a manifest; raises pydantic.ValidationError, for snake_case fields too."""
        return cls.model_validate(value, by_alias=True, by_name=False)

    @override
    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return the part itself: none is ever changed, and Pydantic copies each default each time it is used."""
        return self

    def manifest(self) -> dict[str, Any]:
        """Return the part as it stands in a manifest: camelCase, JSON types, absent instead of null."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


_NO_DEVICES: JsonDict = {
    "x-kubernetes-validations": [
        {"rule": "self.all(name, !name.contains('/'))", "message": "devices are asked for in spec.inference.gpu alone"}
    ]
}
"""A quota counts devices by their names, so there is one place to name them."""


class Resources(Schema):
    """Compute of one container, as in a pod's ``resources``."""

    requests: dict[str, Quantity] | None = Field(default=None, max_length=8, json_schema_extra=_NO_DEVICES)
    """Guaranteed amounts by resource name."""
    limits: dict[str, Quantity] | None = Field(default=None, max_length=8, json_schema_extra=_NO_DEVICES)
    """Upper bounds by resource name."""


class SecretReference(Schema):
    """A Secret in the object's own namespace."""

    name: Annotated[str, Field(pattern=DNS_SUBDOMAIN, max_length=253)]
    """The Secret's name."""


class Condition(Schema):
    """A standard Kubernetes condition."""

    type: Annotated[str, Field(max_length=316)]
    """Condition type, see ``moorage_crds.conditions``."""
    status: Literal["True", "False", "Unknown"]
    """Whether the condition holds."""
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """One word for programs, see ``moorage_crds.conditions.REASONS``."""
    message: Annotated[str, Field(max_length=32768)] = ""
    """A sentence for people, without secrets."""
    last_transition_time: str
    """RFC 3339 time at which ``status`` last changed."""
    observed_generation: int | None = None
    """Generation of the spec that the condition speaks of."""
