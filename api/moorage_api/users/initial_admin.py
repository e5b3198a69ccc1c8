"""The first user: made from the installation's Secret when there is none."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Final

import structlog

from moorage_api.auth.passwords import Passwords
from moorage_api.db.engine import Database
from moorage_api.users import repository

_log: Any = structlog.stdlib.get_logger(__name__)
_DEFAULT_NAME: Final = "admin"


async def ensure(database: Database, passwords: Passwords, folder: Path, now: datetime) -> None:
    """Make the first user from the files in ``folder`` unless any was ever made; without them, only say so."""
    async with database.read() as sql:
        if await repository.has_users(sql):
            return
    password = _read(folder / "password")
    if password is None:
        _log.warning("there is no user and no initial password; run moorage-api bootstrap", folder=str(folder))
        return
    subject = repository.new_subject("User", _read(folder / "username") or _DEFAULT_NAME, "admin", now)
    subject.password_hash, subject.password_origin = await passwords.hash(password), repository.BOOTSTRAP
    async with database.write() as sql:
        # Looked at again inside the transaction: another process may have been as quick.
        if not await repository.has_users(sql):
            sql.add(subject)
            _log.info("made the first user", subject=subject.name)


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except FileNotFoundError:
        return None
