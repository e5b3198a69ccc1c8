"""Which fields a manager owns, as the API server records them in ``managedFields``.

Separate from comparing because the notation is the API server's: ``f:`` and a name for a field of a map, ``k:`` and
JSON for an item of a list whose items are told apart by keys, ``v:`` and JSON for an item of a set, ``.`` for the map
or item itself. It is read once for all objects that share it: a thousand tenants are compared at each start.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_ITSELF: Final = "."
_MOST: Final = 256
"""Notations remembered; a thousand tenants have some twenty, and one for each object with an owner."""


@dataclass(frozen=True, slots=True)
class FieldSet:
    """What is owned below one map, list or value; nothing means the whole of it."""

    fields: Mapping[str, FieldSet] = field(default_factory=dict)
    """Of a map, by name."""
    items: Mapping[Hashable, FieldSet] = field(default_factory=dict)
    """Of a list, by what tells its items apart, see ``by_key``."""
    keys: tuple[str, ...] = ()
    """Names of the fields by which a list's items are told apart; none in a set, whose items are their own keys."""
    is_whole: bool = True
    """Whether the value is owned as a whole: nothing is told of what is below."""


def by_key(items: Iterable[Any], keys: tuple[str, ...]) -> dict[Hashable, Any]:
    """Return a list's items by what tells them apart: the value of the one key, those of several, or themselves."""
    match keys:
        case ():
            return {item: item for item in items}
        case (key,):
            return {item.get(key): item for item in items}
        case _:
            return {tuple(map(item.get, keys)): item for item in items}


_WHOLE: Final = FieldSet()
_KNOWN: Final[dict[int, tuple[Mapping[str, Any], FieldSet]]] = {}
"""By identity: the caches share equal notations, and what is kept here with its reading cannot lose its identity."""


def read(fields: Mapping[str, Any]) -> FieldSet:
    """Return what a ``fieldsV1`` says; it must never be changed afterwards."""
    known = _KNOWN.get(id(fields))
    if known is None:
        if len(_KNOWN) >= _MOST:
            _KNOWN.clear()
        known = _KNOWN[id(fields)] = fields, _read(fields)
    return known[1]


def _read(fields: Mapping[str, Any]) -> FieldSet:
    if not fields:
        return _WHOLE
    found = {path: _read(below) for path, below in fields.items() if path != _ITSELF}
    named = {path[2:]: below for path, below in found.items() if path.startswith("f:")}
    items = {path[2:]: below for path, below in found.items() if not path.startswith("f:")}
    decoded = [json.loads(text) for text in items]
    keys = _keys(decoded)
    keyed = dict(zip(by_key(decoded, keys), items.values(), strict=True))
    return FieldSet(named, keyed, keys, is_whole=not found)


def _keys(items: Iterable[Any]) -> tuple[str, ...]:
    return tuple(sorted({name for item in items if isinstance(item, dict) for name in item}))
