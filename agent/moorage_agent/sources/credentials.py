"""What a source's Secret holds, and to which hosts it may be sent.

Separate because it is the fence around somebody's password: whoever deploys models may name a Secret, but only who
writes the Secret says that sources may use it, and where it may go. Values leave this module as what a protocol
sends, and no error names one.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from moorage_agent.errors import FetchError, KubeError, SecretNotUsableError
from moorage_crds import hosts, labels, names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from yarl import URL

    from moorage_crds.modeldeployment import Source

_TYPES: Final = frozenset({"Opaque", "kubernetes.io/basic-auth"})
"""Never a service account's token, which whoever may make Secrets can have Kubernetes fill in for our own account."""

_PAUSES: Final = (0.2, 0.6, 1.2)
"""Seconds between tries while the API server forbids: a right that was just granted takes it a moment to know."""

_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404


@dataclass(frozen=True)
class Credentials:
    """The values of a Secret that may be sent to some hosts."""

    secret: str
    """Name of the Secret."""
    hosts: frozenset[str]
    """Hosts, each with its port unless that is 443."""
    values: Mapping[str, str] = field(repr=False)
    """Text by key."""

    def check(self, url: URL) -> None:
        """Raise SecretNotUsableError unless the values may be sent to the URL's host."""
        host = hosts.named(f"{url.host}", url.port)
        if host not in self.hosts:
            raise SecretNotUsableError(f"Secret {self.secret} is not for {host}: see its annotation {labels.HOSTS}")

    def authorization(self) -> str:
        """Return the header value for a web server: a bearer token, or a user's name and password."""
        if "token" in self.values:
            return f"Bearer {self.values['token']}"
        user, password = self.first("username"), self.first("password")
        if user is None or password is None:
            raise SecretNotUsableError(f"Secret {self.secret} lacks token, or username and password")
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def first(self, *keys: str) -> str | None:
        """Return the value of the first key that the Secret has."""
        return next((self.values[key] for key in keys if key in self.values), None)


class SecretReader(Protocol):
    """Reads Secrets of the tenant's namespace; ``kube.Kube`` does."""

    async def read_secret(self, name: str) -> dict[str, Any]:
        """Return a Secret; raises KubeError."""


class Keyring:
    """Finds the credentials of a source."""

    def __init__(self, reader: SecretReader, pauses: Sequence[float] = _PAUSES) -> None:
        self._reader = reader
        self._pauses = pauses

    async def of(self, source: Source) -> Credentials | None:
        """Return the credentials that the source names, None when it names none; raises SecretNotUsableError.

        Read anew for each fetch, so that a changed Secret counts at the next try and none is kept.
        """
        if source.credentials_secret_ref is None:
            return None
        name = source.credentials_secret_ref.name
        if name.startswith(names.RESERVED_PREFIX):
            raise SecretNotUsableError(f"Secret {name} is one of Moorage's own")
        return parse(await self._read(name))

    async def _read(self, name: str) -> dict[str, Any]:
        for pause in (*self._pauses, None):
            try:
                return await self._reader.read_secret(name)
            except KubeError as error:
                if error.status == _FORBIDDEN and pause is not None:
                    await asyncio.sleep(pause)
                    continue
                raise _unreadable(name, error) from error
        raise AssertionError("the last try neither answered nor failed")


def _unreadable(name: str, error: KubeError) -> FetchError:
    if error.status == _NOT_FOUND:
        return SecretNotUsableError(f"there is no Secret {name}")
    if error.status == _FORBIDDEN:
        return SecretNotUsableError(f"Secret {name} may not be read by the agent")
    return FetchError(f"Secret {name} could not be read: the API server answered {error.status or 'nothing'}")


def parse(manifest: Mapping[str, Any]) -> Credentials:
    """Return the credentials in a Secret; raises SecretNotUsableError when it is not meant for sources."""
    metadata = manifest["metadata"]
    name = metadata["name"]
    if (metadata.get("labels") or {}).get(labels.SOURCE_CREDENTIALS) != "true":
        raise SecretNotUsableError(f"Secret {name} lacks the label {labels.SOURCE_CREDENTIALS}=true")
    if manifest.get("type", "Opaque") not in _TYPES:
        raise SecretNotUsableError(
            f"Secret {name} is of type {manifest['type']}; expected {' or '.join(sorted(_TYPES))}"
        )
    return Credentials(name, hosts.allowed(manifest), _values(name, manifest.get("data") or {}))


def _values(name: str, data: Mapping[str, str]) -> dict[str, str]:
    return {key: _text(name, key, value) for key, value in data.items()}


def _text(name: str, key: str, value: str) -> str:
    """Return a value without the line break that files end with; it must fit a header."""
    try:
        text = base64.b64decode(value, validate=True).decode().strip()
    except (binascii.Error, UnicodeDecodeError):
        text = "\0"
    if not text.isprintable():
        raise SecretNotUsableError(f"key {key} of Secret {name} is no line of text")
    return text
