"""Who the caller is, and letting people in and out."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError

from moorage_api.auth import passwords
from moorage_api.auth.principal import Principal, platform_permissions, role_in, tenant_id_of, tenant_permissions
from moorage_api.db.models import Subject
from moorage_api.pages import Page, PageRequest
from moorage_api.services import Services
from moorage_api.users import policy, repository
from moorage_api.users.schemas import CreatedUser, Me, NewUser, TenantMembership, User
from moorage_crds.errors import ConflictError, NotFoundError


async def me(services: Services, principal: Principal) -> Me:
    """Return who calls, and what they may do."""
    async with services.database.read() as sql:
        subject = await repository.get(sql, principal.subject_id)
    return Me(
        name=principal.subject,
        kind=principal.kind,
        platform_role=principal.platform_role,
        permissions=sorted(platform_permissions(principal)),
        password_change_required=subject.password_origin in {repository.BOOTSTRAP, repository.GENERATED},
        tenants=_memberships(services, principal),
    )


async def create(services: Services, request: NewUser) -> CreatedUser:
    """Let a person in with a generated password; raises ConflictError when the name was ever used."""
    password = passwords.generate()
    subject = repository.new_subject("User", request.name, request.platform_role, services.clock())
    subject.password_hash = await services.passwords.hash(password)
    subject.password_origin = repository.GENERATED
    try:
        async with services.database.write() as sql:
            sql.add(subject)
    except IntegrityError as error:
        raise ConflictError(f"The name {request.name!r} is taken; names are never given twice.") from error
    return CreatedUser(**view(subject).model_dump(), initial_password=password)


async def users(services: Services, request: PageRequest) -> Page[User]:
    """Return a page of people, ordered by name."""
    async with services.database.read() as sql:
        rows = await repository.page_of_users(sql, request.after, request.limit + 1)
    return request.page([view(row) for row in rows], lambda user: user.name)


async def user(services: Services, name: str) -> User:
    """Return one person; raises NotFoundError."""
    async with services.database.read() as sql:
        return view(_found(await repository.find(sql, "User", name), name))


async def disable(services: Services, name: str) -> None:
    """Shut a person out at once; doing it twice changes nothing."""
    async with services.database.write() as sql:
        subject = _found(await repository.find(sql, "User", name), name)
        policy.check_disable(subject, await repository.count_enabled_admins(sql))
        if subject.disabled_at is None:
            subject.disabled_at = services.clock()
            subject.epoch += 1
    services.authenticator.forget()


def view(subject: Subject) -> User:
    """Return what others may see of a person."""
    return User(
        name=subject.name,
        platform_role=subject.platform_role,
        created_at=subject.created_at,
        disabled=subject.disabled_at is not None,
    )


def _found(subject: Subject | None, name: str) -> Subject:
    if subject is None:
        raise NotFoundError(f"There is no user {name!r}.")
    return subject


def _memberships(services: Services, principal: Principal) -> list[TenantMembership]:
    found = []
    for tenant in services.cache.tenants():
        role = role_in(principal, tenant)
        granted = tenant_permissions(principal, tenant)
        own = role is not None or principal.tenant_id == tenant_id_of(tenant)
        if own and granted:
            name = tenant["metadata"]["name"]
            found.append(TenantMembership(name=name, role=role, permissions=sorted(granted)))
    return found
