"""Making, listing and revoking API keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from moorage_api.api_keys import format as key_format
from moorage_api.api_keys import policy, repository
from moorage_api.api_keys.schemas import ApiKeyView, CreatedApiKey, NewApiKey
from moorage_api.auth.principal import Principal, tenant_id_of
from moorage_api.db.models import ApiKey
from moorage_api.pages import Page, PageRequest
from moorage_api.services import Services


async def create(
    services: Services, principal: Principal, tenant: Mapping[str, Any], request: NewApiKey
) -> CreatedApiKey:
    """Make a key of the caller for the tenant."""
    policy.check_create(principal, tenant, request.scopes)
    now = services.clock()
    secret = key_format.generate()
    row = new_row(
        secret,
        services.keyring.pepper,
        tenant,
        subject_id=principal.subject_id,
        name=request.name,
        scopes=request.scopes,
        now=now,
        expires_at=now + timedelta(seconds=request.expires_in),
    )
    async with services.database.write() as sql:
        sql.add(row)
    return CreatedApiKey(**view((row, principal.subject)).model_dump(), key=secret.text)


async def keys(services: Services, tenant: Mapping[str, Any], request: PageRequest) -> Page[ApiKeyView]:
    """Return a page of the tenant's usable keys, ordered by prefix."""
    tenant_id, now = tenant_id_of(tenant), services.clock()
    async with services.database.read() as sql:
        rows = await repository.page_of_live(sql, tenant_id, now, request.after, request.limit + 1)
    return request.page([view(row) for row in rows], lambda key: key.prefix)


async def revoke(services: Services, principal: Principal, tenant: Mapping[str, Any], prefix: str) -> None:
    """Make a key useless at once."""
    async with services.database.write() as sql:
        key = await repository.get(sql, tenant_id_of(tenant), prefix)
        policy.check_revoke(principal, tenant, key)
        key.revoked_at = services.clock()
    services.authenticator.forget()


def new_row(
    secret: key_format.ApiKey,
    pepper: bytes,
    tenant: Mapping[str, Any],
    *,
    subject_id: str,
    name: str,
    scopes: Iterable[str],
    now: datetime,
    expires_at: datetime,
) -> ApiKey:
    """Return what is stored of a new key."""
    return ApiKey(
        prefix=secret.prefix,
        digest=key_format.digest(secret.text, pepper),
        name=name,
        subject_id=subject_id,
        tenant_id=tenant_id_of(tenant),
        tenant_name=tenant["metadata"]["name"],
        scopes=sorted(set(scopes)),
        created_at=now,
        expires_at=expires_at,
    )


def view(owned: repository.Owned) -> ApiKeyView:
    """Return what may be shown of a key."""
    key, owner = owned
    return ApiKeyView(
        prefix=key.prefix,
        name=key.name,
        owner=owner,
        scopes=key.scopes,
        created_at=key.created_at,
        expires_at=key.expires_at,
    )
