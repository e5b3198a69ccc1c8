"""How many objects a tenant may hold: ``Tenant.spec.quota.objects``.

Separate from the service because counting is the expensive part: an upper bound is remembered, and the store is asked
only when that bound would pass the quota.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from moorage_api.errors import QuotaExceededError
from moorage_api.vectors.backends.base import VectorBackend
from moorage_api.vectors.model import Collection
from moorage_crds.tenant import Quota

_DEFAULT: Final = Quota().objects


class ObjectQuota:
    """Admits upserts; remembers by tenant how many objects there are at most."""

    def __init__(self) -> None:
        self._bounds: dict[str, int] = {}

    async def admit(
        self, tenant: Mapping[str, Any], store: VectorBackend, collection: Collection, ids: Sequence[str]
    ) -> None:
        """Raise QuotaExceededError unless the objects fit; those that replace others take no room."""
        name = tenant["metadata"]["name"]
        quota = ((tenant.get("spec") or {}).get("quota") or {}).get("objects", _DEFAULT)
        bound = self._bounds.get(name, quota)  # nothing is known after a start, so the first upsert counts
        if bound + len(ids) > quota:
            bound = await _count(store)
            self._bounds[name] = bound
            if bound + len(ids) > quota and bound + len(ids) - await store.present(collection, ids) > quota:
                raise QuotaExceededError(
                    f"The tenant's quota has no room: spec.quota.objects is {quota}, and there are {bound} objects."
                )
        self._bounds[name] = bound + len(ids)


async def _count(store: VectorBackend) -> int:
    return sum([await store.count(each) for each in await store.collections()])
