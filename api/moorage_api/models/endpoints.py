"""Routes about a tenant's models."""

from __future__ import annotations

from fastapi import Response, status

from moorage_api import BASE_PATH
from moorage_api.auth.routing import CurrentTenant, guarded_router, require_permission
from moorage_api.models import service
from moorage_api.models.schemas import ModelSpecOnly, ModelView, NewModel, RevisionChoice
from moorage_api.pages import CurrentPage, Page
from moorage_api.resources import IfMatch, respond
from moorage_api.services import CurrentServices
from moorage_crds import permissions

router = guarded_router("/tenants/{tenant}/models", "models")


@router.get("", response_model=Page[ModelView])
@require_permission(permissions.MODELS_READ)
async def list_models(services: CurrentServices, tenant: CurrentTenant, page: CurrentPage) -> Response:
    """List the tenant's models by name."""
    return service.models(services, tenant, page).response()


@router.post("", status_code=status.HTTP_201_CREATED, response_model=ModelView)
@require_permission(permissions.MODELS_WRITE)
async def create_model(services: CurrentServices, tenant: CurrentTenant, body: NewModel) -> Response:
    """Create a model."""
    manifest = await service.create(services, tenant, body)
    location = f"{BASE_PATH}/tenants/{tenant['metadata']['name']}/models/{body.name}"
    return respond(manifest, status.HTTP_201_CREATED, location)


@router.get("/{model}", response_model=ModelView)
@require_permission(permissions.MODELS_READ)
async def get_model(services: CurrentServices, tenant: CurrentTenant, model: str) -> Response:
    """Show a model."""
    return respond(service.model(services, tenant, model))


@router.put("/{model}", response_model=ModelView)
@require_permission(permissions.MODELS_WRITE)
async def replace_model(
    services: CurrentServices, tenant: CurrentTenant, model: str, body: ModelSpecOnly, if_match: IfMatch = None
) -> Response:
    """Replace a model's spec."""
    return respond(await service.replace(services, tenant, model, body, if_match))


@router.delete("/{model}", status_code=status.HTTP_204_NO_CONTENT)
@require_permission(permissions.MODELS_WRITE)
async def delete_model(
    services: CurrentServices, tenant: CurrentTenant, model: str, if_match: IfMatch = None
) -> Response:
    """Delete a model."""
    await service.delete(services, tenant, model, if_match)
    return Response(status_code=status.HTTP_204_NO_CONTENT)


@router.post("/{model}/promote", response_model=ModelView)
@require_permission(permissions.MODELS_WRITE)
async def promote_model(
    services: CurrentServices, tenant: CurrentTenant, model: str, body: RevisionChoice, if_match: IfMatch = None
) -> Response:
    """Promote the candidate: it gets all requests once every ready replica has loaded it."""
    return respond(await service.promote(services, tenant, model, body, if_match))


@router.post("/{model}/abort", response_model=ModelView)
@require_permission(permissions.MODELS_WRITE)
async def abort_model(
    services: CurrentServices, tenant: CurrentTenant, model: str, body: RevisionChoice, if_match: IfMatch = None
) -> Response:
    """Reject the candidate: the stable revision gets all requests."""
    return respond(await service.abort(services, tenant, model, body, if_match))


@router.post("/{model}/rollback", response_model=ModelView)
@require_permission(permissions.MODELS_WRITE)
async def roll_model_back(
    services: CurrentServices, tenant: CurrentTenant, model: str, body: RevisionChoice, if_match: IfMatch = None
) -> Response:
    """Serve an older revision whatever the spec asks for, until the rollback is ended."""
    return respond(await service.roll_back(services, tenant, model, body, if_match))


@router.delete("/{model}/rollback", response_model=ModelView)
@require_permission(permissions.MODELS_WRITE)
async def end_rollback(
    services: CurrentServices, tenant: CurrentTenant, model: str, if_match: IfMatch = None
) -> Response:
    """End a rollback: serve what the spec asks for."""
    return respond(await service.roll_forward(services, tenant, model, if_match))
