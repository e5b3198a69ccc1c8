"""Routes about collections and their objects."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request, Response, status

from moorage_api import BASE_PATH
from moorage_api.auth.routing import CurrentTenant, guarded_router, require_permission
from moorage_api.pages import CurrentPage, Page
from moorage_api.vectors.schemas import (
    CollectionView,
    CountedCollectionView,
    Deleted,
    Deletion,
    HitView,
    NewCollection,
    ObjectView,
    Search,
    SearchResults,
    Upsert,
    UpsertResults,
)
from moorage_api.vectors.service import Vectors
from moorage_crds import permissions

router = guarded_router("/tenants/{tenant}/collections", "vectors")


def vectors_of(request: Request) -> Vectors:
    """Return the feature of the application that serves this request: ``app.state.vectors``."""
    return cast("Vectors", request.app.state.vectors)


CurrentVectors = Annotated[Vectors, Depends(vectors_of)]


@router.get("")
@require_permission(permissions.VECTORS_READ)
async def list_collections(vectors: CurrentVectors, tenant: CurrentTenant, page: CurrentPage) -> Page[CollectionView]:
    """List the tenant's collections by name."""
    views = [CollectionView.of(each) for each in await vectors.collections(tenant)]
    return page.cut(views, lambda view: view.name)


@router.post("", status_code=status.HTTP_201_CREATED)
@require_permission(permissions.VECTORS_WRITE)
async def create_collection(
    vectors: CurrentVectors, tenant: CurrentTenant, body: NewCollection, response: Response
) -> CollectionView:
    """Make a collection."""
    view = CollectionView.of(await vectors.create(tenant, body))
    response.headers["Location"] = f"{BASE_PATH}/tenants/{tenant['metadata']['name']}/collections/{view.name}"
    return view


@router.get("/{collection}")
@require_permission(permissions.VECTORS_READ)
async def get_collection(vectors: CurrentVectors, tenant: CurrentTenant, collection: str) -> CountedCollectionView:
    """Show a collection with the number of its objects."""
    found, objects = await vectors.collection(tenant, collection)
    return CountedCollectionView(**CollectionView.of(found).model_dump(), objects=objects)


@router.delete("/{collection}", status_code=status.HTTP_204_NO_CONTENT)
@require_permission(permissions.VECTORS_WRITE)
async def delete_collection(vectors: CurrentVectors, tenant: CurrentTenant, collection: str) -> None:
    """Delete a collection with all its objects."""
    await vectors.drop(tenant, collection)


@router.post("/{collection}/objects")
@require_permission(permissions.VECTORS_WRITE)
async def upsert_objects(
    vectors: CurrentVectors, tenant: CurrentTenant, collection: str, body: Upsert
) -> UpsertResults:
    """Store up to 1,000 objects, each in full place of the one with its id."""
    return await vectors.upsert(tenant, collection, body.objects)


@router.post("/{collection}/objects/delete")
@require_permission(permissions.VECTORS_WRITE)
async def delete_objects(vectors: CurrentVectors, tenant: CurrentTenant, collection: str, body: Deletion) -> Deleted:
    """Delete objects by ids or by a filter."""
    return Deleted(deleted=await vectors.delete(tenant, collection, body))


@router.post("/{collection}/search", response_model=SearchResults)
@require_permission(permissions.VECTORS_READ)
async def search_objects(vectors: CurrentVectors, tenant: CurrentTenant, collection: str, body: Search) -> Response:
    """Find the objects closest to a vector or a text, or that match a keyword, among those that pass a filter."""
    hits = await vectors.search(tenant, collection, body)
    views = [HitView.of_hit(hit, with_vector=body.include_vectors) for hit in hits]
    # Built from our own values: validating thousands of floats again would cost more than the search.
    return Response(SearchResults.model_construct(items=views).model_dump_json(), media_type="application/json")


@router.get("/{collection}/objects/{object_id:path}")
@require_permission(permissions.VECTORS_READ)
async def get_object(vectors: CurrentVectors, tenant: CurrentTenant, collection: str, object_id: str) -> ObjectView:
    """Show an object with its vector."""
    return ObjectView.of(await vectors.get(tenant, collection, object_id))


@router.delete("/{collection}/objects/{object_id:path}", status_code=status.HTTP_204_NO_CONTENT)
@require_permission(permissions.VECTORS_WRITE)
async def delete_object(vectors: CurrentVectors, tenant: CurrentTenant, collection: str, object_id: str) -> None:
    """Delete an object; one that is not there is no error, so that a deletion may be repeated."""
    await vectors.delete(tenant, collection, Deletion(ids=[object_id]))
