"""``moorage-api create-key``: an API key of a service account, for installations and scripts.

Runs inside the API's pod beside ``serve`` and needs no password, so it works before and after the admin changes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from moorage_api import keyring
from moorage_api.api_keys import format as key_format
from moorage_api.api_keys.service import new_row
from moorage_api.auth.principal import tenant_id_of
from moorage_api.clock import Clock, system
from moorage_api.db.engine import Database
from moorage_api.db.models import Subject
from moorage_api.kube import client
from moorage_api.kube.writes import TENANT, read
from moorage_api.settings import Settings
from moorage_api.users import repository as subjects
from moorage_api.users.schemas import SUBJECT_NAME
from moorage_crds.errors import ConflictError, InvalidInputError
from moorage_crds.permissions import TENANT_ROLES, TenantRole

_NAME: Final = "create-key"
"""Name of the keys made here: it tells where they come from."""
_DURATION: Final = re.compile(r"([1-9][0-9]{0,5})([mhd])")
_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


@dataclass(frozen=True)
class Wanted:
    """The key to make."""

    tenant: str
    service_account: str
    role: TenantRole
    life: timedelta


def duration(text: str) -> timedelta:
    """Return the time a text such as ``24h``, ``30m`` or ``7d`` means; raises InvalidInputError."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise InvalidInputError(f"expected a duration such as 24h, 30m or 7d, not {text!r}")
    return int(match[1]) * _UNITS[match[2]]


async def run(settings: Settings, wanted: Wanted, now: Clock = system) -> str:
    """Make the service account if there is none, grant it the role and return a new key of it."""
    if not re.fullmatch(SUBJECT_NAME, wanted.service_account):
        raise InvalidInputError(f"expected a lower-case name, not {wanted.service_account!r}")
    secrets = keyring.load(settings.secrets_dir)
    async with client.connect(settings) as api:
        tenant = await read(api, TENANT, None, wanted.tenant)
    secret, time = key_format.generate(), now()
    async with Database.open(settings.database_url) as database, database.write() as sql:
        account = await _account(sql, wanted.service_account, time)
        await subjects.grant(sql, tenant_id_of(tenant), account.id, wanted.role, time)
        row = new_row(
            secret,
            secrets.pepper,
            tenant,
            subject_id=account.id,
            name=_NAME,
            scopes=TENANT_ROLES[wanted.role],
            now=time,
            expires_at=time + wanted.life,
        )
        sql.add(row)
    return secret.text


async def _account(sql: AsyncSession, name: str, now: datetime) -> Subject:
    account = await subjects.find(sql, "ServiceAccount", name)
    if account is None:
        account = subjects.new_subject("ServiceAccount", name, "user", now)
        sql.add(account)
        await sql.flush()
    if account.disabled_at is not None:
        raise ConflictError(f"service account {name!r} is disabled")
    return account
