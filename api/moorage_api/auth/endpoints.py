"""Routes of login, logout and password change."""

from __future__ import annotations

from fastapi import Request, Response, status

from moorage_api.auth import service
from moorage_api.auth.routing import CurrentPrincipal, guarded_router, require_permission
from moorage_api.auth.schemas import AccessToken, Login, PasswordChange
from moorage_api.services import CurrentServices
from moorage_crds import permissions

router = guarded_router("/auth", "auth")


@router.post("/login")
@require_permission(permissions.PUBLIC)
async def login(services: CurrentServices, body: Login, request: Request, response: Response) -> AccessToken:
    """Exchange a name and its password for an access token."""
    response.headers["Cache-Control"] = "no-store"
    address = request.client.host if request.client else ""
    return await service.login(services, body, address)


@router.post("/logout", status_code=status.HTTP_204_NO_CONTENT)
@require_permission(permissions.SELF)
async def logout(services: CurrentServices, principal: CurrentPrincipal) -> None:
    """End the session of the access token."""
    await service.logout(services, principal)


@router.post("/password", status_code=status.HTTP_204_NO_CONTENT)
@require_permission(permissions.SELF)
async def change_password(services: CurrentServices, principal: CurrentPrincipal, body: PasswordChange) -> None:
    """Change the caller's own password; every other session of the caller ends."""
    await service.change_password(services, principal, body)
