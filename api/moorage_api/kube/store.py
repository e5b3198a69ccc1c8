"""Objects of one kind in memory, fenced by resourceVersion; separate so that its rules are tested without a server.

Two writers feed a store: the watch, and ``observe`` right after a write of our own. The higher resourceVersion wins,
so neither a late event nor a list that began before the write takes a newer object away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

KeptT = TypeVar("KeptT")
EventType = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(frozen=True)
class _Entry(Generic[KeptT]):
    """What is kept of an object, and the resourceVersion it was seen at."""

    version: int
    kept: KeptT


def version_of(manifest: Mapping[str, Any]) -> int:
    """Return the resourceVersion as a number; Kubernetes promises that they compare so within one kind."""
    return int(manifest["metadata"]["resourceVersion"])


class Store(Generic[KeptT]):
    """Objects by namespace and name; ``keep`` makes of a manifest what is held in memory."""

    def __init__(self, keep: Callable[[dict[str, Any]], KeptT]) -> None:
        self._keep = keep
        self._entries: dict[str, dict[str, _Entry[KeptT]]] = {}

    def get(self, namespace: str, name: str) -> KeptT | None:
        """Return one object, or None; ``namespace`` is empty for cluster-scoped kinds."""
        entry = self._entries.get(namespace, {}).get(name)
        return entry.kept if entry else None

    def of_namespace(self, namespace: str) -> list[KeptT]:
        """Return the objects of a namespace, ordered by name."""
        return [entry.kept for _, entry in sorted(self._entries.get(namespace, {}).items())]

    def observe(self, manifest: dict[str, Any]) -> None:
        """Keep the object unless a newer one is held."""
        namespace, name = _key(manifest)
        held = self._entries.get(namespace, {}).get(name)
        version = version_of(manifest)
        if held is None or version >= held.version:
            self._entries.setdefault(namespace, {})[name] = _Entry(version, self._keep(manifest))

    def apply(self, event: EventType, manifest: dict[str, Any]) -> None:
        """Apply one watch event."""
        if event == "DELETED":
            self._forget(manifest)
        else:
            self.observe(manifest)

    def replace(self, manifests: Iterable[dict[str, Any]], version: int) -> None:
        """Make the store equal a list of resourceVersion ``version``, but for what was observed after it."""
        newer = {
            namespace: {name: entry for name, entry in entries.items() if entry.version > version}
            for namespace, entries in self._entries.items()
        }
        self._entries = {namespace: entries for namespace, entries in newer.items() if entries}
        for manifest in manifests:
            self.observe(manifest)

    def _forget(self, manifest: dict[str, Any]) -> None:
        namespace, name = _key(manifest)
        entries = self._entries.get(namespace, {})
        held = entries.get(name)
        if held is None or held.version > version_of(manifest):
            return
        del entries[name]
        if not entries:
            del self._entries[namespace]


def _key(manifest: Mapping[str, Any]) -> tuple[str, str]:
    metadata = manifest["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
