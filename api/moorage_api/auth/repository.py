"""SQL of sessions and of what a credential stands for."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from moorage_api.auth import tokens
from moorage_api.auth.authenticator import Verified, is_same_digest
from moorage_api.auth.principal import Principal
from moorage_api.db.engine import Database
from moorage_api.db.models import ApiKey, Membership, Session, Subject


class SqlCredentialStore:
    """Answers the authenticator from SQL; a disabled subject has no credentials."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def session(self, claims: tokens.Claims, now: datetime) -> Verified | None:
        """Return the principal of a session that was neither revoked nor outdated by the subject's epoch."""
        query = (
            select(Subject)
            .join(Session, Session.subject_id == Subject.id)
            .where(Session.id == claims.session, Subject.id == claims.subject, Subject.disabled_at.is_(None))
            .where(Session.revoked_at.is_(None), Session.epoch == Subject.epoch, Session.expires_at > now)
        )
        async with self._database.read() as sql:
            subject = (await sql.execute(query)).scalar_one_or_none()
            if subject is None:
                return None
            principal = _principal(subject, claims.session, await _memberships(sql, subject.id))
        return Verified(principal, claims.expires_at)

    async def api_key(self, prefix: str, digest: str, now: datetime) -> Verified | None:
        """Return the principal of a key that was neither revoked nor has expired."""
        query = (
            select(ApiKey, Subject)
            .join(Subject, Subject.id == ApiKey.subject_id)
            .where(ApiKey.prefix == prefix, ApiKey.revoked_at.is_(None), ApiKey.expires_at > now)
            .where(Subject.disabled_at.is_(None))
        )
        async with self._database.read() as sql:
            row = (await sql.execute(query)).one_or_none()
            if row is None or not is_same_digest(row.ApiKey.digest, digest):
                return None
            memberships = await _memberships(sql, row.Subject.id)
        return Verified(_key_principal(row.ApiKey, row.Subject, memberships), row.ApiKey.expires_at)


async def _memberships(sql: AsyncSession, subject_id: str) -> dict[str, str]:
    rows = await sql.execute(select(Membership.tenant_id, Membership.role).where(Membership.subject_id == subject_id))
    return {row.tenant_id: row.role for row in rows}


def _principal(subject: Subject, credential: str, memberships: Mapping[str, str], **of_key: Any) -> Principal:
    return Principal(
        subject=subject.name,
        kind=cast("Any", subject.kind),
        platform_role=cast("Any", subject.platform_role),
        credential_id=credential,
        subject_id=subject.id,
        memberships=cast("Any", memberships),
        **of_key,
    )


def _key_principal(key: ApiKey, subject: Subject, memberships: Mapping[str, str]) -> Principal:
    scopes = frozenset(key.scopes)
    return _principal(subject, key.prefix, memberships, tenant=key.tenant_name, tenant_id=key.tenant_id, scopes=scopes)


async def open_session(sql: AsyncSession, subject: Subject, now: datetime, expires_at: datetime) -> str:
    """Begin a session of the subject's present epoch and return its id."""
    session = Session(
        id=str(uuid.uuid4()), subject_id=subject.id, epoch=subject.epoch, created_at=now, expires_at=expires_at
    )
    sql.add(session)
    await sql.flush()
    return session.id


async def revoke_session(sql: AsyncSession, session_id: str, now: datetime) -> None:
    """End one session; one that has ended stays as it is."""
    query = update(Session).where(Session.id == session_id, Session.revoked_at.is_(None))
    await sql.execute(query.values(revoked_at=now))


async def move_session(sql: AsyncSession, session_id: str, epoch: int) -> None:
    """Take one session over into a new epoch; all others of the subject are dead by then."""
    await sql.execute(update(Session).where(Session.id == session_id).values(epoch=epoch))
