"""Which fields of an object are whose, as the API server records it in ``managedFields``.

Separate because a change of one field by server-side apply must repeat every field that we own: what an apply leaves
out is taken away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from moorage_crds import names

Manifest = dict[str, Any]


def spec(manifest: Mapping[str, Any]) -> Manifest:
    """Return the part of an object's spec that our manager has applied."""
    for entry in _entries(manifest):
        if entry.get("manager") == names.API_FIELD_MANAGER and entry.get("operation") == "Apply":
            kept = _kept(manifest.get("spec"), (entry.get("fieldsV1") or {}).get("f:spec", {}))
            return kept if isinstance(kept, dict) else {}
    return {}


def other_managers(manifest: Mapping[str, Any], *path: str) -> list[str]:
    """Return who besides us owns a field, by name."""
    owners = {str(entry.get("manager")) for entry in _entries(manifest) if _owns(entry.get("fieldsV1") or {}, path)}
    return sorted(owners - {names.API_FIELD_MANAGER})


def _entries(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the records about the object itself; those about its status are others'."""
    yield from (each for each in manifest["metadata"].get("managedFields") or () if not each.get("subresource"))


def _owns(fields: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    for step in path:
        if f"f:{step}" not in fields:
            return False
        fields = fields[f"f:{step}"]
    return True


def _kept(value: Any, fields: Mapping[str, Any]) -> Any:
    """Return the owned part of a value; what has no owned parts of its own is owned whole."""
    parts = {path.removeprefix("f:"): inner for path, inner in fields.items() if path.startswith("f:")}
    if not parts or not isinstance(value, dict):
        return value
    return {name: _kept(value[name], inner) for name, inner in parts.items() if name in value}
