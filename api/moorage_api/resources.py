"""What Tenants and ModelDeployments look like in the API: their manifest without what only Kubernetes needs.

Separate from both features because they answer alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

from fastapi import Header, Response
from fastapi.responses import JSONResponse

from moorage_api.kube.etag import etag

IfMatch = Annotated[str | None, Header(description="Entity tag the object must still have.")]


class ResourceFields(TypedDict):
    """The parts of a manifest that the API shows."""

    name: str
    uid: str
    generation: int
    created_at: str
    deleting: bool
    spec: dict[str, Any]
    status: dict[str, Any] | None


def fields(manifest: Mapping[str, Any]) -> ResourceFields:
    """Return what the API shows of an object."""
    metadata = manifest["metadata"]
    return ResourceFields(
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata["generation"],
        created_at=metadata["creationTimestamp"],
        deleting="deletionTimestamp" in metadata,
        spec=manifest.get("spec") or {},
        status=manifest.get("status"),
    )


def respond(manifest: Mapping[str, Any], status: int = 200, location: str | None = None) -> Response:
    """Return an object with its entity tag.

    The manifest is passed through, not validated: a newer operator may have written fields unknown to this API.
    """
    headers = {"ETag": etag(manifest)} | ({} if location is None else {"Location": location})
    return JSONResponse(fields(manifest), status, headers)
