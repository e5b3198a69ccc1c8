"""SQL of subjects and of the roles granted to them through the API."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from moorage_api.auth.principal import SubjectKind
from moorage_api.db.models import Membership, Subject
from moorage_crds.errors import NotFoundError
from moorage_crds.permissions import PlatformRole, TenantRole

BOOTSTRAP: Final = "Bootstrap"
"""Origin of a password that stands in the installation's Secret."""
GENERATED: Final = "Generated"
"""Origin of a password that an admin has seen."""
OWN: Final = "Own"
"""Origin of a password that its owner chose."""


async def find(sql: AsyncSession, kind: SubjectKind, name: str) -> Subject | None:
    """Return a subject, disabled or not, or None."""
    query = select(Subject).where(Subject.kind == kind, Subject.name == name)
    return (await sql.execute(query)).scalar_one_or_none()


async def get(sql: AsyncSession, subject_id: str) -> Subject:
    """Return the subject of an id; raises NotFoundError."""
    subject = await sql.get(Subject, subject_id)
    if subject is None:
        raise NotFoundError("There is no such subject.")
    return subject


async def page_of_users(sql: AsyncSession, after: str, limit: int) -> Sequence[Subject]:
    """Return up to ``limit`` users with names beyond ``after``, ordered by name."""
    query = select(Subject).where(Subject.kind == "User", Subject.name > after)
    return (await sql.execute(query.order_by(Subject.name).limit(limit))).scalars().all()


async def count_enabled_admins(sql: AsyncSession) -> int:
    """Return how many users could still administer the platform."""
    query = select(func.count()).where(
        Subject.kind == "User", Subject.platform_role == "admin", Subject.disabled_at.is_(None)
    )
    return (await sql.execute(query)).scalar_one()


async def has_users(sql: AsyncSession) -> bool:
    """Whether any user was ever made."""
    query = select(Subject.id).where(Subject.kind == "User").limit(1)
    return (await sql.execute(query)).first() is not None


def new_subject(kind: SubjectKind, name: str, platform_role: PlatformRole, now: datetime) -> Subject:
    """Return a subject without a password, not yet in any transaction."""
    subject_id = str(uuid.uuid4())
    return Subject(id=subject_id, kind=kind, name=name, platform_role=platform_role, epoch=0, created_at=now)


async def grant(sql: AsyncSession, tenant_id: str, subject_id: str, role: TenantRole, now: datetime) -> None:
    """Give a subject a role in a tenant, in place of the one it had there."""
    row = Membership(tenant_id=tenant_id, subject_id=subject_id, role=role, created_at=now)
    await sql.merge(row)
