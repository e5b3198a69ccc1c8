"""SQL of API keys; every query names the tenantID."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from moorage_api.db.models import ApiKey, Subject
from moorage_crds.errors import NotFoundError

Owned = tuple[ApiKey, str]
"""A key and its owner's name."""


async def page_of_live(sql: AsyncSession, tenant_id: str, now: datetime, after: str, limit: int) -> Sequence[Owned]:
    """Return up to ``limit`` usable keys of a tenant with prefixes beyond ``after``, ordered by prefix."""
    query = (
        select(ApiKey, Subject.name)
        .join(Subject, Subject.id == ApiKey.subject_id)
        .where(ApiKey.tenant_id == tenant_id, ApiKey.revoked_at.is_(None), ApiKey.expires_at > now)
        .where(ApiKey.prefix > after)
        .order_by(ApiKey.prefix)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in await sql.execute(query)]


async def get(sql: AsyncSession, tenant_id: str, prefix: str) -> ApiKey:
    """Return a key of the tenant that is not revoked; raises NotFoundError."""
    query = select(ApiKey).where(ApiKey.tenant_id == tenant_id, ApiKey.prefix == prefix, ApiKey.revoked_at.is_(None))
    key = (await sql.execute(query)).scalar_one_or_none()
    if key is None:
        raise NotFoundError(f"There is no API key {prefix!r}.")
    return key
