"""Routes about people."""

from __future__ import annotations

from fastapi import status

from moorage_api.auth.routing import CurrentPrincipal, guarded_router, require_permission
from moorage_api.pages import CurrentPage, Page
from moorage_api.services import CurrentServices
from moorage_api.users import service
from moorage_api.users.schemas import CreatedUser, Me, NewUser, User
from moorage_crds import permissions

router = guarded_router("", "users")


@router.get("/me")
@require_permission(permissions.SELF)
async def me(services: CurrentServices, principal: CurrentPrincipal) -> Me:
    """Tell who calls, and what they may do."""
    return await service.me(services, principal)


@router.get("/users")
@require_permission(permissions.USERS_READ)
async def list_users(services: CurrentServices, page: CurrentPage) -> Page[User]:
    """List people by name."""
    return await service.users(services, page)


@router.post("/users", status_code=status.HTTP_201_CREATED)
@require_permission(permissions.USERS_WRITE)
async def create_user(services: CurrentServices, body: NewUser) -> CreatedUser:
    """Let a person in; the answer holds the password to begin with, this once."""
    return await service.create(services, body)


@router.get("/users/{user}")
@require_permission(permissions.USERS_READ)
async def get_user(services: CurrentServices, user: str) -> User:
    """Show a person."""
    return await service.user(services, user)


@router.delete("/users/{user}", status_code=status.HTTP_204_NO_CONTENT)
@require_permission(permissions.USERS_WRITE)
async def disable_user(services: CurrentServices, user: str) -> None:
    """Shut a person out at once; the name stays taken."""
    await service.disable(services, user)
