"""Whether an observed object still is what we last asked for.

Separate because it decides whether anything is written at all. The API server records in ``managedFields`` which fields
each manager owns, so a child needs no write exactly when the fields we own are the fields we want and hold the values
we want. A hash kept in an annotation would miss edits by others, and a comparison of values alone would miss fields
that we no longer want.

Maps and lists are told by their JSON types: a thousand tenants are compared at each start, and asking for an abstract
type takes twice as long.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from moorage_crds import names
from moorage_operator.reconcile import quantities
from moorage_operator.reconcile.world import Manifest

_QUANTITIES: Final = frozenset({"requests", "limits", "hard", "default", "defaultRequest", "sizeLimit"})
"""Fields whose value, or whose map's values, are quantities."""

_NOT_OWNED: Final = frozenset({"apiVersion", "kind", "metadata"})
_NOT_OWNED_METADATA: Final = frozenset({"name", "namespace", "resourceVersion", "uid"})
"""Server-side apply records no owner for what identifies the object."""

_ITSELF: Final = frozenset({"."})
"""Says that the map or item as such is owned."""

_MISSING: Final = object()


def is_current(desired: Manifest, observed: Manifest, subresource: str = "", below: tuple[str, ...] = ()) -> bool:
    """Return whether applying ``desired`` as our manager would change nothing.

    ``subresource`` is ``""`` for the object itself and ``"status"`` for its status. With ``below``, the names of maps
    within each other, whether it would change nothing in the last of them.
    """
    fields = _owned_fields(observed, subresource)
    mine, theirs = _without_identity(desired), _without_identity(observed)
    for name in below:
        fields, mine, theirs = (fields or {}).get(f"f:{name}"), mine.get(name, {}), theirs.get(name, {})
    return fields is not None and _matches_map(mine, theirs, fields)


def is_ours(observed: Manifest) -> bool:
    """Return whether our manager has applied the object itself."""
    return _owned_fields(observed, "") is not None


def holds(desired: Any, observed: Any) -> bool:
    """Return whether ``observed`` has every value of ``desired``; for objects made by POST, which have no owned set."""
    if isinstance(desired, dict):
        return isinstance(observed, dict) and all(
            holds(value, observed.get(key, _MISSING)) for key, value in desired.items()
        )
    return bool(desired == observed)


def _owned_fields(observed: Manifest, subresource: str) -> Mapping[str, Any] | None:
    for entry in observed["metadata"].get("managedFields") or ():
        is_own = entry.get("manager") == names.FIELD_MANAGER and entry.get("operation") == "Apply"
        if is_own and entry.get("subresource", "") == subresource:
            fields: Mapping[str, Any] = entry.get("fieldsV1") or {}
            return fields
    return None


def _without_identity(manifest: Manifest) -> dict[str, Any]:
    kept = {key: value for key, value in manifest.items() if key not in _NOT_OWNED}
    metadata = manifest.get("metadata") or {}
    own = {key: value for key, value in metadata.items() if key not in _NOT_OWNED_METADATA}
    return {**kept, "metadata": own} if own else kept


def _matches(desired: Any, observed: Any, fields: Mapping[str, Any], name: str) -> bool:
    if not fields:
        return _equal(desired, observed, name)
    children = fields.keys() - _ITSELF
    if not children:
        return _equal(desired, observed, name)
    if isinstance(desired, dict):
        return _matches_map(desired, observed, fields, name)
    if isinstance(desired, list):
        return _matches_list(desired, observed, fields, children, name)
    return False


def _matches_map(desired: Mapping[str, Any], observed: Any, fields: Mapping[str, Any], name: str = "") -> bool:
    """Compare maps key by key; as many keys as owned fields, each of them owned, are the same keys."""
    if not isinstance(observed, dict) or len(desired) != len(fields) - ("." in fields):
        return False
    for key, value in desired.items():
        own, theirs = fields.get(f"f:{key}"), observed.get(key, _MISSING)
        if own is None:
            return False
        is_same = not own and value == theirs
        if not is_same and not _matches(value, theirs, own, name if name in _QUANTITIES else key):
            return False
    return True


def _matches_list(
    desired: Sequence[Any], observed: Any, fields: Mapping[str, Any], children: set[str], name: str
) -> bool:
    """Compare lists whose items the API server tells apart by keys (``k:``) or by their value (``v:``)."""
    if not isinstance(observed, list) or len(children) != len(desired):
        return False
    for path in children:
        mine, theirs = _item(path, desired), _item(path, observed)
        if mine is _MISSING or theirs is _MISSING or not _matches(mine, theirs, fields[path], name):
            return False
    return True


def _item(path: str, items: Sequence[Any]) -> Any:
    wanted = _decoded(path[2:])
    if path.startswith("v:"):
        return wanted if wanted in items else _MISSING
    keys = wanted.items()
    for item in items:
        if keys <= item.items():
            return item
    return _MISSING


@lru_cache(maxsize=4096)
def _decoded(text: str) -> Any:
    return json.loads(text)


def _equal(desired: Any, observed: Any, name: str) -> bool:
    """Compare values owned as a whole; of an empty map only its presence is owned, others may fill it."""
    if isinstance(desired, dict) and not desired and isinstance(observed, dict):
        return True
    return _same(desired, observed, name)


def _same(desired: Any, observed: Any, name: str) -> bool:
    """Compare whole values; an unset field and its zero value are the same to the API server."""
    if desired == observed:
        return True
    if observed is _MISSING or desired is _MISSING:
        return not (observed if desired is _MISSING else desired)
    if isinstance(desired, dict) and isinstance(observed, dict):
        return all(
            _same(desired.get(key, _MISSING), observed.get(key, _MISSING), name if name in _QUANTITIES else key)
            for key in desired.keys() | observed.keys()
        )
    if isinstance(desired, list) and isinstance(observed, list):
        pairs = zip(desired, observed, strict=False)
        return len(desired) == len(observed) and all(_same(mine, theirs, name) for mine, theirs in pairs)
    return name in _QUANTITIES and quantities.are_equal(desired, observed)
