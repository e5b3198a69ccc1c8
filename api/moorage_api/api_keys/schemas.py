"""What the routes about API keys take and answer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

_DAY: Final = 86_400
_DEFAULT_LIFE: Final = 90 * _DAY
_LONGEST_LIFE: Final = 366 * _DAY
_SHORTEST_LIFE: Final = 60


class NewApiKey(BaseModel):
    """An API key to be made for the caller in the tenant of the path."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=63)]
    """For people; not unique."""
    scopes: Annotated[list[str], Field(min_length=1, max_length=32)]
    """Permissions, each of which the caller has in the tenant; at use, those the owner still has count."""
    expires_in: Annotated[int, Field(ge=_SHORTEST_LIFE, le=_LONGEST_LIFE)] = _DEFAULT_LIFE
    """Seconds."""


class ApiKeyView(BaseModel):
    """An API key without its secret."""

    prefix: str
    """Names the key: it stands in the key itself and in logs."""
    name: str
    owner: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime


class CreatedApiKey(ApiKeyView):
    """A new API key in full; it is shown this once."""

    key: str
