"""Server-side apply in small: who owns what, and what an apply leaves behind.

Knows only the list keys of the kinds that a tenant has; ``test_fields`` holds it against what an API server recorded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

LIST_KEYS: dict[str, tuple[str, ...]] = {
    "conditions": ("type",),
    "containers": ("name",),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "replicas": ("pod",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
ATOMIC = {"data", "fieldRef", "labelSelector", "nodeSelector", "podSelector", "roleRef", "secretKeyRef", "selector"}
WHOLE_ITEMS = {"ownerReferences"}


def list_keys(name: str, items: list[Any]) -> tuple[str, ...]:
    """Return the keys of a list's items, none for a list owned as a whole."""
    if name == "ports" and items and isinstance(items[0], dict):
        return ("containerPort", "protocol") if "containerPort" in items[0] else ("port", "protocol")
    return LIST_KEYS.get(name, ())


def path_of(item: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    return "k:" + json.dumps({key: item[key] for key in keys}, separators=(",", ":"))


def without_identity(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an apply can own of a manifest."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in {"name", "namespace"}}
    kept = {key: value for key, value in manifest.items() if key not in {"apiVersion", "kind"}}
    return {key: value for key, value in {**kept, "metadata": metadata}.items() if value != {}}


def owned(value: Any, name: str = "") -> dict[str, Any]:
    """Return fieldsV1 of a value that a manager applied."""
    if isinstance(value, dict) and name not in ATOMIC:
        return {f"f:{key}": owned(item, key) for key, item in value.items()}
    if isinstance(value, list) and (keys := list_keys(name, value)):
        return {path_of(item, keys): {} if name in WHOLE_ITEMS else {".": {}} | owned(item) for item in value}
    return {}


def without(value: Any, fields: Mapping[str, Any], name: str = "") -> Any:
    """Return what is left of a value when its owned fields are taken away, None when nothing is."""
    if not fields.keys() - {"."}:
        return None
    if isinstance(value, dict):
        kept = {
            key: without(item, fields[f"f:{key}"], key) if f"f:{key}" in fields else item for key, item in value.items()
        }
        return {key: item for key, item in kept.items() if item is not None} or None
    keys = list_keys(name, value)
    rest = [without(item, fields[path], name) if (path := path_of(item, keys)) in fields else item for item in value]
    return [item for item in rest if item is not None] or None


def merged(base: Any, applied: Any, name: str = "") -> Any:
    """Return ``base`` with everything of ``applied``."""
    if isinstance(base, dict) and isinstance(applied, dict) and name not in ATOMIC:
        return base | {key: merged(base.get(key), value, key) for key, value in applied.items()}
    if isinstance(base, list) and isinstance(applied, list) and (keys := list_keys(name, applied)):
        theirs = {path_of(item, keys): item for item in base}
        mine = {path_of(item, keys): item for item in applied}
        return list((theirs | {path: merged(theirs.get(path), item) for path, item in mine.items()}).values())
    return applied
