"""What login and password change take and answer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from moorage_api.auth.passwords import MAX_LENGTH

_Password = Annotated[SecretStr, Field(min_length=1, max_length=MAX_LENGTH)]


class Login(BaseModel):
    """A name and its password."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=63)]
    password: _Password


class AccessToken(BaseModel):
    """An access token in the words of OAuth 2."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the token's type, not a token
    expires_in: int
    """Seconds."""


class PasswordChange(BaseModel):
    """The present password and the new one."""

    model_config = ConfigDict(extra="forbid")

    current: _Password
    new: _Password
