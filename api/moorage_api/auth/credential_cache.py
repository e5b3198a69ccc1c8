"""Verified credentials, remembered for a short time and forgotten at once when anything is revoked.

Keys are SHA-256 of the whole credential: a shorter key would let two credentials meet.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from moorage_api.auth.principal import Principal

_CAPACITY: Final = 10_000


@dataclass(frozen=True)
class _Entry:
    principal: Principal
    believed_until: datetime


class CredentialCache:
    """A bounded map of digest -> principal; the entry longest unused goes first."""

    def __init__(self, seconds: float) -> None:
        self._life = timedelta(seconds=seconds)
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self.epoch = 0
        """Grows with every ``clear``; a verification that began before one must not be remembered after it."""

    def get(self, key: bytes, now: datetime) -> Principal | None:
        """Return the principal while it may be believed."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now >= entry.believed_until:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry.principal

    def put(self, key: bytes, principal: Principal, now: datetime, expires_at: datetime, epoch: int) -> None:
        """Remember a principal, unless something was revoked since ``epoch`` was read."""
        if epoch != self.epoch:
            return
        self._entries[key] = _Entry(principal, min(now + self._life, expires_at))
        if len(self._entries) > _CAPACITY:
            self._entries.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self.epoch += 1
        self._entries.clear()
