"""From request headers to a principal: the one door for FastAPI routes, the gateway and gRPC.

Knows nothing of HTTP beyond the ``Authorization`` header, so raw ASGI code hands it ``scope["headers"]``.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from moorage_api.api_keys import format as key_format
from moorage_api.auth import tokens
from moorage_api.auth.credential_cache import CredentialCache
from moorage_api.auth.principal import Principal
from moorage_api.clock import Clock
from moorage_api.errors import AuthenticationError

Headers = Iterable[tuple[bytes, bytes]]
"""Raw header fields, names in lower case, as in an ASGI scope."""

CACHE_SECONDS: Final = 30.0
"""Longest time a verified credential is believed without asking SQL again."""

_REFUSED: Final = "The request carries no valid credential."


@dataclass(frozen=True)
class Verified:
    """A principal and the time until which its credential is valid."""

    principal: Principal
    expires_at: datetime


class CredentialStore(Protocol):
    """What the authenticator asks of SQL; each answers None when the credential is not, or no longer, good."""

    async def session(self, claims: tokens.Claims, now: datetime) -> Verified | None:
        """Return the principal of a live session."""

    async def api_key(self, prefix: str, digest: str, now: datetime) -> Verified | None:
        """Return the principal of a live API key whose HMAC digest is ``digest``."""


class Authenticator:
    """Verifies access tokens and API keys; believes a verified one for ``CACHE_SECONDS``."""

    def __init__(self, store: CredentialStore, jwt_key: bytes, pepper: bytes, clock: Clock) -> None:
        self._store = store
        self._jwt_key = jwt_key
        self._pepper = pepper
        self._clock = clock
        self._cache = CredentialCache(CACHE_SECONDS)

    async def authenticate(self, headers: Headers) -> Principal:
        """Return who calls; raises AuthenticationError with one and the same message for every reason."""
        credential = _bearer(headers)
        key = hashlib.sha256(credential.encode()).digest()
        now = self._clock()
        cached = self._cache.get(key, now)
        if cached is not None:
            return cached
        epoch = self._cache.epoch
        verified = await self._verify(credential, now)
        if verified is None:
            raise AuthenticationError(_REFUSED)
        self._cache.put(key, verified.principal, now, verified.expires_at, epoch)
        return verified.principal

    def forget(self) -> None:
        """Believe nobody any more; called after every revocation, disabling and change of role in this process."""
        self._cache.clear()

    async def _verify(self, credential: str, now: datetime) -> Verified | None:
        parsed = key_format.parse(credential)
        if parsed is not None:
            return await self._store.api_key(parsed.prefix, key_format.digest(credential, self._pepper), now)
        claims = tokens.verify(credential, self._jwt_key, now)
        return await self._store.session(claims, now)


def is_same_digest(left: str, right: str) -> bool:
    """Compare two digests in a time that says nothing about them."""
    return hmac.compare_digest(left, right)


def _bearer(headers: Headers) -> str:
    """Return the one bearer credential; two ``Authorization`` fields are a smuggling attempt, not a choice."""
    fields = [value for name, value in headers if name == b"authorization"]
    scheme, _, credential = (fields[0] if len(fields) == 1 else b"").partition(b" ")
    if scheme.lower() != b"bearer" or not credential.isascii() or not credential.strip():
        raise AuthenticationError(_REFUSED)
    return credential.strip().decode("ascii")
