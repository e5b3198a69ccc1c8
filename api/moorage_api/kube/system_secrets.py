"""Secrets of the installation itself, in Moorage's own namespace: made once, never overwritten, one of them deleted."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from kubernetes.aio.client import ApiClient

from moorage_api.kube import refusals, transport
from moorage_crds import labels

API_SECRETS: Final = "moorage-api-secrets"
"""Secret with the keys of ``moorage_api.keyring``."""
INITIAL_ADMIN: Final = "moorage-initial-admin"
"""Secret with the first user's ``username`` and ``password``; deleted when that password is changed."""


async def exists(api: ApiClient, namespace: str, name: str) -> bool:
    """Whether there is a Secret of the name; asks by a creation on trial, which needs no right to read any."""
    answer = await _create(api, namespace, name, {}, {"dryRun": "All"})
    return answer.status == HTTPStatus.CONFLICT


async def create_if_absent(api: ApiClient, namespace: str, name: str, values: dict[str, str]) -> bool:
    """Create a Secret and return True, or keep the one that is there and return False."""
    answer = await _create(api, namespace, name, values, {})
    return answer.status == HTTPStatus.CREATED


async def delete(api: ApiClient, namespace: str, name: str) -> None:
    """Delete a Secret; one that is not there is as good as deleted."""
    answer = await transport.call(api, "DELETE", f"/api/v1/namespaces/{namespace}/secrets/{name}")
    if answer.status not in {HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.NOT_FOUND}:
        raise refusals.error_of(answer)


async def _create(
    api: ApiClient, namespace: str, name: str, values: dict[str, str], query: dict[str, str]
) -> transport.Answer:
    metadata = {"name": name, "namespace": namespace, "labels": {labels.MANAGED_BY: labels.MANAGER}}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "stringData": values}
    answer = await transport.call(api, "POST", f"/api/v1/namespaces/{namespace}/secrets", query=query, body=body)
    if answer.status not in {HTTPStatus.CREATED, HTTPStatus.CONFLICT}:
        raise refusals.error_of(answer)
    return answer
