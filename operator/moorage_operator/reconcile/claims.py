"""The vector store's volume claims: they grow with the spec and never shrink.

Separate from ``desired`` because a StatefulSet makes its claims and never changes them. So a larger size is first
written into the claims that there are. Then the StatefulSet is deleted, its pods left running, and made anew with the
larger size for claims to come: the API server lets nobody change it in place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from moorage_crds import names
from moorage_crds.tenant import VectorStore
from moorage_operator.reconcile import quantities
from moorage_operator.reconcile.actions import Apply
from moorage_operator.reconcile.world import Manifest, World

KIND: Final = "PersistentVolumeClaim"
_PREFIX: Final = f"data-{names.WEAVIATE}-"
_BOUND: Final = "Bound"


def growth(world: World, store: VectorStore) -> tuple[Apply, ...]:
    """Return the writes that let claims grow; one that is not bound yet cannot, and is waited for."""
    bound = (claim for claim in _smaller(world, store) if (claim.get("status") or {}).get("phase") == _BOUND)
    return tuple(_resized(claim, store.storage.size) for claim in bound)


def template_size(world: World, store: VectorStore) -> str:
    """Return the size that the StatefulSet gives to claims to come: the old one until those there are have grown."""
    observed = world.children.get(("StatefulSet", names.WEAVIATE))
    if observed is None or not any(_smaller(world, store)):
        return store.storage.size
    size: str = _template(observed)["resources"]["requests"]["storage"]
    return size


def is_outgrown(desired: Mapping[str, Any], observed: Manifest) -> bool:
    """Return whether a StatefulSet has to be made anew, since its claims shall be others."""
    if desired["kind"] != "StatefulSet":
        return False
    wanted, found = _template(desired), _template(observed)
    sizes = (spec["resources"]["requests"]["storage"] for spec in (wanted, found))
    return wanted.get("storageClassName") != found.get("storageClassName") or not quantities.are_equal(*sizes)


def _template(stateful_set: Mapping[str, Any]) -> Mapping[str, Any]:
    spec: Mapping[str, Any] = stateful_set["spec"]["volumeClaimTemplates"][0]["spec"]
    return spec


def _smaller(world: World, store: VectorStore) -> Iterator[Manifest]:
    wanted = quantities.parse(store.storage.size)
    for (kind, name), claim in sorted(world.children.items(), key=lambda item: item[0]):
        if kind == KIND and name.startswith(_PREFIX):
            asked = claim["spec"]["resources"]["requests"]["storage"]
            if quantities.parse(asked) < wanted:
                yield claim


def _resized(claim: Manifest, size: str) -> Apply:
    metadata = claim["metadata"]
    manifest = {
        "apiVersion": "v1",
        "kind": KIND,
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
        "spec": {"resources": {"requests": {"storage": size}}},
    }
    return Apply(manifest, metadata["resourceVersion"])
