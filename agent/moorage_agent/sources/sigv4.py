"""Sign a request with AWS Signature Version 4, as S3 and what speaks its protocol demand.

Separate and pure: no library for S3 lets us choose the address that is connected to, and signing is all that we
would need of one. Held against the examples that AWS publishes.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
EMPTY: Final = hashlib.sha256(b"").hexdigest()
"""Digest of a request without a body."""


@dataclass(frozen=True, slots=True)
class Key:
    """An access key."""

    id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    """Session token of temporary credentials."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signature is good for."""

    region: str
    now: datetime
    """With its time zone, UTC."""
    service: str = "s3"

    @property
    def timestamp(self) -> str:
        """Return the time as the protocol writes it."""
        return f"{self.now:%Y%m%dT%H%M%SZ}"

    @property
    def text(self) -> str:
        """Return the scope as it is signed."""
        return f"{self.now:%Y%m%d}/{self.region}/{self.service}/aws4_request"


@dataclass(frozen=True, slots=True)
class Request:
    """What is signed, as it will be sent."""

    path: str
    query: str
    headers: Mapping[str, str]
    """All of them are signed."""
    method: str = "GET"
    payload: str = EMPTY
    """SHA-256 of the body."""


def escape(text: str) -> str:
    """Return a part of a path or query with all but the unreserved characters of RFC 3986 escaped."""
    return quote(text, safe="-_.~")


def path_of(*parts: str) -> str:
    """Return the path of a bucket, a key or both; a key's slashes stay, and nothing is normalised."""
    return "/" + "/".join(quote(part, safe="-_.~/") for part in parts)


def query_of(pairs: Mapping[str, str]) -> str:
    """Return the query in canonical order, which is then also what is sent."""
    return "&".join(f"{name}={value}" for name, value in sorted((escape(n), escape(v)) for n, v in pairs.items()))


def s3_headers(key: Key, scope: Scope, host: str, path: str, query: str = "") -> dict[str, str]:
    """Return the headers of a signed GET; ``path`` and ``query`` are as they will be sent."""
    headers = {"host": host, "x-amz-content-sha256": EMPTY, "x-amz-date": scope.timestamp}
    headers |= {"x-amz-security-token": key.token} if key.token else {}
    return headers | {"authorization": authorization(key, scope, Request(path, query, headers))}


def authorization(key: Key, scope: Scope, request: Request) -> str:
    """Return the Authorization header of a request."""
    named = sorted((name.lower(), " ".join(value.split())) for name, value in request.headers.items())
    signed = ";".join(name for name, _ in named)
    lines = [request.method, request.path, request.query, *(f"{name}:{value}" for name, value in named)]
    digest = hashlib.sha256("\n".join([*lines, "", signed, request.payload]).encode()).hexdigest()
    text = f"{_ALGORITHM}\n{scope.timestamp}\n{scope.text}\n{digest}"
    signature = hmac.new(_chain(key, scope), text.encode(), hashlib.sha256).hexdigest()
    return f"{_ALGORITHM} Credential={key.id}/{scope.text}, SignedHeaders={signed}, Signature={signature}"


def _chain(key: Key, scope: Scope) -> bytes:
    """Return the key that is derived for the scope."""
    derived = f"AWS4{key.secret}".encode()
    parts: Iterable[str] = scope.text.split("/")
    for part in parts:
        derived = hmac.new(derived, part.encode(), hashlib.sha256).digest()
    return derived
