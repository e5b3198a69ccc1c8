"""Login, logout and password change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import structlog

from moorage_api.auth import passwords, repository, tokens
from moorage_api.auth.principal import Principal
from moorage_api.auth.schemas import AccessToken, Login, PasswordChange
from moorage_api.db.models import Subject
from moorage_api.errors import AuthenticationError, ForbiddenError, RateLimitedError
from moorage_api.kube import system_secrets
from moorage_api.services import Services
from moorage_api.users import repository as subjects
from moorage_crds.errors import MoorageError

_log: Any = structlog.stdlib.get_logger(__name__)
_WRONG: Final = "Name or password is wrong."


async def login(services: Services, request: Login, address: str) -> AccessToken:
    """Return an access token; an unknown, a disabled and a known user with a wrong password read and last the same."""
    _limit(services, f"{request.name}\n{address}")
    async with services.database.read() as sql:
        subject = await subjects.find(sql, "User", request.name)
    stored = subject.password_hash if subject and subject.disabled_at is None else None
    matches = await services.passwords.matches(request.password.get_secret_value(), stored)
    if subject is None or not matches:
        raise AuthenticationError(_WRONG)
    return await _open(services, subject)


async def logout(services: Services, principal: Principal) -> None:
    """End the session that the call came with."""
    _demand_session(principal)
    async with services.database.write() as sql:
        await repository.revoke_session(sql, principal.credential_id, services.clock())
    services.authenticator.forget()


async def change_password(services: Services, principal: Principal, request: PasswordChange) -> None:
    """Set a new password and end every other session of the subject."""
    _demand_session(principal)
    _limit(services, principal.subject_id)
    new = request.new.get_secret_value()
    passwords.check(new, principal.subject)
    was_initial = await _replace(services, principal, request.current.get_secret_value(), new)
    services.authenticator.forget()
    if was_initial:
        await _forget_initial_password(services)


async def _open(services: Services, verified: Subject) -> AccessToken:
    """Open a session, provided the row is still the one whose password was compared."""
    now, life = services.clock(), timedelta(seconds=services.settings.access_token_seconds)
    async with services.database.write() as sql:
        subject = await subjects.get(sql, verified.id)
        if (subject.epoch, subject.password_hash, subject.disabled_at) != (
            verified.epoch,
            verified.password_hash,
            None,
        ):
            raise AuthenticationError(_WRONG)
        session = await repository.open_session(sql, subject, now, now + life)
    token = tokens.issue(verified.id, session, services.keyring.jwt_key, now, life)
    return AccessToken(access_token=token, expires_in=services.settings.access_token_seconds)


async def _replace(services: Services, principal: Principal, current: str, new: str) -> bool:
    """Replace the password; return whether the old one came from the installation's Secret."""
    async with services.database.read() as sql:
        stored = (await subjects.get(sql, principal.subject_id)).password_hash
    if not await services.passwords.matches(current, stored):
        raise ForbiddenError("The present password is wrong.")
    hashed = await services.passwords.hash(new)
    async with services.database.write() as sql:
        subject = await subjects.get(sql, principal.subject_id)
        if subject.password_hash != stored:
            raise ForbiddenError("The present password is wrong.")
        was_initial = subject.password_origin == subjects.BOOTSTRAP
        subject.password_hash, subject.password_origin = hashed, subjects.OWN
        subject.epoch += 1
        await repository.move_session(sql, principal.credential_id, subject.epoch)
    return was_initial


async def _forget_initial_password(services: Services) -> None:
    """Delete the Secret of a password that opens nothing any more; a failure must not undo the change of password."""
    namespace = services.settings.system_namespace
    try:
        await system_secrets.delete(services.kubernetes, namespace, system_secrets.INITIAL_ADMIN)
    except MoorageError as error:
        _log.warning("Secret was not deleted", secret=system_secrets.INITIAL_ADMIN, reason=str(error))


def _demand_session(principal: Principal) -> None:
    if principal.is_api_key:
        raise ForbiddenError("An API key cannot act on the account itself.")


def _limit(services: Services, key: str) -> None:
    wait = services.login_limiter.admit(key, services.clock().timestamp())
    if wait > 0:
        raise RateLimitedError("Too many attempts; try again later.", retry_after=int(wait) + 1)
