"""Models of a tenant: reads from the cache, changes that go to Kubernetes.

Every write checks first that the tenant has a namespace of its own, since the name alone does not make it so.
"""

from __future__ import annotations

from typing import Any

from moorage_api.kube.writes import Change
from moorage_api.models import repository, rollout
from moorage_api.models.schemas import ModelSpecOnly, NewModel, RevisionChoice
from moorage_api.pages import Page, PageRequest
from moorage_api.resources import ResourceFields, fields
from moorage_api.services import Services
from moorage_api.tenants import policy

Manifest = dict[str, Any]


def models(services: Services, tenant: Manifest, request: PageRequest) -> Page[ResourceFields]:
    """Return a page of the tenant's models."""
    shown = [fields(each) for each in repository.models(services, _name(tenant))]
    return request.cut(shown, lambda each: each["name"])


def model(services: Services, tenant: Manifest, name: str) -> Manifest:
    """Return a model; raises NotFoundError."""
    return repository.model(services, _name(tenant), name)


async def create(services: Services, tenant: Manifest, request: NewModel) -> Manifest:
    """Create a model."""
    policy.check_namespace(tenant)
    policy.check_model_quota(tenant, len(repository.models(services, _name(tenant))))
    return await repository.create(services, _name(tenant), request.name, request.manifest_spec())


async def replace(
    services: Services, tenant: Manifest, name: str, request: ModelSpecOnly, if_match: str | None
) -> Manifest:
    """Replace a model's spec."""
    policy.check_namespace(tenant)
    return await repository.replace(services, _name(tenant), name, request.manifest_spec(), if_match)


async def delete(services: Services, tenant: Manifest, name: str, if_match: str | None) -> None:
    """Delete a model."""
    policy.check_namespace(tenant)
    await repository.delete(services, _name(tenant), name, if_match)


async def promote(
    services: Services, tenant: Manifest, name: str, choice: RevisionChoice, if_match: str | None
) -> Manifest:
    """Decide for the candidate."""
    return await _amend(services, tenant, name, rollout.deciding("Promote", choice.revision), if_match)


async def abort(
    services: Services, tenant: Manifest, name: str, choice: RevisionChoice, if_match: str | None
) -> Manifest:
    """Decide against the candidate."""
    return await _amend(services, tenant, name, rollout.deciding("Abort", choice.revision), if_match)


async def roll_back(
    services: Services, tenant: Manifest, name: str, choice: RevisionChoice, if_match: str | None
) -> Manifest:
    """Pin the model to a revision."""
    return await _amend(services, tenant, name, rollout.pinning(choice.revision), if_match)


async def roll_forward(services: Services, tenant: Manifest, name: str, if_match: str | None) -> Manifest:
    """Take the pin away."""
    return await _amend(services, tenant, name, rollout.unpinned, if_match)


async def _amend(services: Services, tenant: Manifest, name: str, change: Change, if_match: str | None) -> Manifest:
    policy.check_namespace(tenant)
    return await repository.amend(services, _name(tenant), name, change, if_match)


def _name(tenant: Manifest) -> str:
    return str(tenant["metadata"]["name"])
