"""The installation's secrets, read once from mounted files; without them no process starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

JWT_KEY: Final = "jwt-key"
PEPPER: Final = "pepper"
ENCRYPTION_KEY: Final = "encryption-key"
KEYS: Final = (JWT_KEY, PEPPER, ENCRYPTION_KEY)

MIN_BYTES: Final = 32
"""A key shorter than the output of SHA-256 is weaker than the HMAC it signs with."""


class MissingSecretError(Exception):
    """A secret is absent or too short; the message names its file and never its content."""


@dataclass(frozen=True)
class Keyring:
    """The installation's secrets; printing it shows none of them."""

    jwt_key: bytes = field(repr=False)
    """Signs access tokens."""
    pepper: bytes = field(repr=False)
    """Keys the HMAC under which API keys are stored."""
    encryption_key: bytes = field(repr=False)
    """Encrypts what must be read back from SQL."""


def load(folder: Path) -> Keyring:
    """Read the secrets from a folder; raises MissingSecretError."""
    return Keyring(*(_read(folder / name) for name in KEYS))


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes().strip()
    except OSError as error:
        raise MissingSecretError(
            f"secret {path} cannot be read ({error.strerror}); run moorage-api bootstrap"
        ) from error
    if len(content) < MIN_BYTES:
        raise MissingSecretError(f"secret {path} has {len(content)} bytes; at least {MIN_BYTES} are needed")
    return content
