"""Password hashes: argon2id through the passlib API, off the event loop and few at a time.

Each hash takes 19 MiB and tens of milliseconds of a core: unbounded, a burst of logins would stop everything else.
"""

from __future__ import annotations

import asyncio
import functools
import secrets
from collections.abc import Callable
from typing import Any, Final, TypeVar

from passlib.hash import argon2

from moorage_crds.errors import InvalidInputError, UnavailableError

ResultT = TypeVar("ResultT")

MIN_LENGTH: Final = 12
"""Characters. Longer than every entry of the usual top-3000 lists, so that no list has to be shipped."""
MAX_LENGTH: Final = 256
"""Characters; nothing is cut off below it."""
_CONCURRENT: Final = 2
_WAITING: Final = 64

_scheme: Any = argon2.using(type="ID", memory_cost=19 * 1024, time_cost=2, parallelism=1)


class Passwords:
    """Hashes and verifies passwords."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(_CONCURRENT)
        self._pending = 0
        self._nobody = _nobodys_hash()

    async def hash(self, password: str) -> str:
        """Return the hash to store."""
        return await self._run(lambda: str(_scheme.hash(password)))

    async def matches(self, password: str, stored: str | None) -> bool:
        """Whether the password is the stored one; ``None`` (no such user, no password) takes as long and never is."""
        matched = await self._run(lambda: bool(_scheme.verify(password, stored or self._nobody)))
        return matched and stored is not None

    async def _run(self, work: Callable[[], ResultT]) -> ResultT:
        if self._pending >= _WAITING:
            raise UnavailableError("Too many passwords are being checked; try again soon.")
        self._pending += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(work)
        finally:
            self._pending -= 1


@functools.cache
def _nobodys_hash() -> str:
    """Return what an unknown user's password is compared with, so that the answer takes as long as for a known one."""
    return str(_scheme.hash(secrets.token_urlsafe()))


def generate() -> str:
    """Return a random password that a person can copy."""
    return secrets.token_urlsafe(18)


def check(password: str, name: str) -> None:
    """Raise InvalidInputError unless the password may be set; no rules of composition, as NIST and ASVS advise."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise InvalidInputError(f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters.")
    if name in password.lower():
        raise InvalidInputError("A password must not contain the user's name.")
