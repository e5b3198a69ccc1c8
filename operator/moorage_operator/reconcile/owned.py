"""Whether an observed object still is what we last asked for.

Separate because it decides whether anything is written at all. The API server records in ``managedFields`` which fields
each manager owns, so a child needs no write exactly when the fields we own are the fields we want and hold the values
we want. A hash kept in an annotation would miss edits by others, and a comparison of values alone would miss fields
that we no longer want.

Maps and lists are told by their JSON types: a thousand tenants are compared at each start, and asking for an abstract
type takes twice as long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from moorage_crds import names
from moorage_operator.reconcile import fieldset, quantities
from moorage_operator.reconcile.fieldset import FieldSet
from moorage_operator.reconcile.world import Manifest

_QUANTITIES: Final = frozenset({"requests", "limits", "hard", "default", "defaultRequest", "sizeLimit"})
"""Fields whose value, or whose map's values, are quantities."""

_NOT_OWNED: Final = frozenset({"apiVersion", "kind", "metadata"})
_NOT_OWNED_METADATA: Final = frozenset({"name", "namespace", "resourceVersion", "uid"})
"""Server-side apply records no owner for what identifies the object."""

_MISSING: Final = object()


def is_current(desired: Manifest, observed: Manifest, subresource: str = "", below: tuple[str, ...] = ()) -> bool:
    """Return whether applying ``desired`` as our manager would change nothing.

    ``subresource`` is ``""`` for the object itself and ``"status"`` for its status. With ``below``, the names of maps
    within each other, whether it would change nothing in the last of them.
    """
    own = _owned_fields(observed, subresource)
    mine, theirs = _without_identity(desired), _without_identity(observed)
    for name in below:
        own, mine, theirs = own and own.fields.get(name), mine.get(name, {}), theirs.get(name, {})
    return own is not None and _matches_map(mine, theirs, own)


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


def _owned_fields(observed: Manifest, subresource: str) -> FieldSet | None:
    for entry in observed["metadata"].get("managedFields") or ():
        is_own = entry.get("manager") == names.FIELD_MANAGER and entry.get("operation") == "Apply"
        if is_own and entry.get("subresource", "") == subresource:
            return fieldset.read(entry.get("fieldsV1") or {})
    return None


def _without_identity(manifest: Manifest) -> dict[str, Any]:
    kept = {key: value for key, value in manifest.items() if key not in _NOT_OWNED}
    metadata = manifest.get("metadata") or {}
    own = {key: value for key, value in metadata.items() if key not in _NOT_OWNED_METADATA}
    return {**kept, "metadata": own} if own else kept


def _matches(desired: Any, observed: Any, own: FieldSet, name: str) -> bool:
    if own.is_whole:
        return _equal(desired, observed, name)
    if isinstance(desired, dict):
        return _matches_map(desired, observed, own, name)
    if isinstance(desired, list):
        return _matches_list(desired, observed, own, name)
    return False


def _matches_map(desired: Mapping[str, Any], observed: Any, own: FieldSet, name: str = "") -> bool:
    """Compare maps key by key; as many keys as owned fields, each of them owned, are the same keys."""
    if not isinstance(observed, dict) or len(desired) != len(own.fields):
        return False
    for key, value in desired.items():
        below, theirs = own.fields.get(key), observed.get(key, _MISSING)
        if below is None:
            return False
        is_same = below.is_whole and value == theirs
        if not is_same and not _matches(value, theirs, below, name if name in _QUANTITIES else key):
            return False
    return True


def _matches_list(desired: Sequence[Any], observed: Any, own: FieldSet, name: str) -> bool:
    """Compare lists whose items the API server tells apart by keys or by their value."""
    if not isinstance(observed, list) or len(desired) != len(own.items):
        return False
    mine, theirs = fieldset.by_key(desired, own.keys), fieldset.by_key(observed, own.keys)
    return all(
        key in mine and key in theirs and _matches(mine[key], theirs[key], below, name)
        for key, below in own.items.items()
    )


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
