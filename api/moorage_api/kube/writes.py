"""Writing Tenants and ModelDeployments: server-side apply under the API's own name, never forced.

Separate from the cache because reads cost nothing and writes may be refused. Everything written is put into the
cache, so that the next read sees it before the watch brings it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Protocol
from urllib.parse import quote

from kubernetes.aio.client import ApiClient

from moorage_api.kube import etag, owned, refusals, transport
from moorage_api.kube.transport import Answer
from moorage_crds import API_VERSION, names
from moorage_crds.errors import ConflictError, NotFoundError
from moorage_crds.modeldeployment import ModelDeployment
from moorage_crds.tenant import Tenant

Manifest = dict[str, Any]
Change = Callable[[Manifest, Manifest], Manifest]
"""From an object and the part of its spec that we own to the part that we shall own; may raise a MoorageError."""

_ATTEMPTS: Final = 8
"""Reads and writes of one change; status writes may move the object between the two about once a second."""
_REMEMBERED: Final = 1000
"""Deleted objects remembered; the watch catches up within some milliseconds."""


@dataclass(frozen=True)
class Kind:
    """A custom resource as its path needs it."""

    kind: str
    plural: str

    def path(self, namespace: str | None, name: str) -> str:
        """Return the path of one object; ``namespace`` is None for cluster-scoped kinds."""
        inside = "" if namespace is None else f"namespaces/{quote(namespace, safe='')}/"
        return f"/apis/{API_VERSION}/{inside}{self.plural}/{quote(name, safe='')}"


TENANT: Final = Kind(Tenant.KIND, Tenant.PLURAL)
MODEL: Final = Kind(ModelDeployment.KIND, ModelDeployment.PLURAL)


class Observer(Protocol):
    """Who wants to see each object after a write of ours."""

    def observe(self, kind: str, manifest: Manifest) -> None:
        """Take the object as the API server answered it."""


class ClusterWrites:
    """Creates, replaces and deletes custom resources; every refusal is a MoorageError."""

    def __init__(self, api: ApiClient, observer: Observer) -> None:
        self._api = api
        self._observer = observer
        self._creating = asyncio.Lock()
        self._gone: dict[str, None] = {}

    def is_gone(self, manifest: Mapping[str, Any]) -> bool:
        """Whether we have deleted this very object and the watch may not have said so yet."""
        return manifest["metadata"]["uid"] in self._gone

    async def create(self, kind: Kind, namespace: str | None, name: str, spec: Manifest) -> Manifest:
        """Create an object; raises ConflictError when the name is taken."""
        # Apply creates or updates and offers no way to say "only create", so we look first; the lock makes looking
        # and writing one step among our own callers, and anybody else's object is refused by its field managers.
        async with self._creating:
            answer = await transport.call(self._api, "GET", kind.path(namespace, name))
            if answer.status == HTTPStatus.OK:
                raise ConflictError(f"{kind.kind} {name!r} exists already.")
            answer = await self._apply(kind, namespace, name, {}, spec)
        if answer.status == HTTPStatus.OK:
            raise ConflictError(f"{kind.kind} {name!r} exists already.")
        return self._written(kind, answer)

    async def replace(
        self, kind: Kind, namespace: str | None, name: str, spec: Manifest, if_match: str | None
    ) -> Manifest:
        """Replace what we own of an object's spec; raises PreconditionFailedError, ManagedElsewhereError."""
        for _ in range(_ATTEMPTS):
            live = await self._live(kind, namespace, name, if_match)
            answer = await self._apply(kind, namespace, name, _fence(live, if_match), spec)
            if not refusals.is_stale(answer):
                return self._written(kind, answer)
        raise ConflictError(f"{kind.kind} {name!r} changes faster than it can be replaced.")

    async def amend(
        self, kind: Kind, namespace: str | None, name: str, change: Change, if_match: str | None
    ) -> Manifest:
        """Change a part of what we own of an object's spec, the rest as it is; raises as ``replace`` does."""
        for _ in range(_ATTEMPTS):
            live = await self._live(kind, namespace, name, if_match)
            fence = {each: live["metadata"][each] for each in ("uid", "resourceVersion")}
            answer = await self._apply(kind, namespace, name, fence, change(live, owned.spec(live)))
            if not refusals.is_stale(answer):
                return self._written(kind, answer)
        raise ConflictError(f"{kind.kind} {name!r} changes faster than it can be changed.")

    async def annotate(self, kind: Kind, namespace: str | None, name: str, key: str, value: str) -> Manifest:
        """Set one annotation of an object; nothing else of it is touched or owned."""
        answer = await transport.call(
            self._api,
            "PATCH",
            kind.path(namespace, name),
            query={"fieldManager": names.API_FIELD_MANAGER, "fieldValidation": "Strict"},
            body={"metadata": {"annotations": {key: value}}},
            content_type=transport.MERGE,
        )
        return self._written(kind, answer)

    async def delete(self, kind: Kind, namespace: str | None, name: str, if_match: str | None) -> None:
        """Delete an object; one that has finalizers stays for a while and says so."""
        for _ in range(_ATTEMPTS):
            live = await self._live(kind, namespace, name, if_match)
            body = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": _fence(live, if_match)}
            answer = await transport.call(self._api, "DELETE", kind.path(namespace, name), body=body)
            if not refusals.is_stale(answer):
                self._deleted(kind, live, answer)
                return
        raise ConflictError(f"{kind.kind} {name!r} changes faster than it can be deleted.")

    async def _live(self, kind: Kind, namespace: str | None, name: str, if_match: str | None) -> Manifest:
        live = await read(self._api, kind, namespace, name)
        etag.check(if_match, live)
        return live

    async def _apply(
        self, kind: Kind, namespace: str | None, name: str, fence: dict[str, str], spec: Manifest
    ) -> Answer:
        metadata = {"name": name, **fence} | ({} if namespace is None else {"namespace": namespace})
        return await transport.call(
            self._api,
            "PATCH",
            kind.path(namespace, name),
            query={"fieldManager": names.API_FIELD_MANAGER, "fieldValidation": "Strict"},
            body={"apiVersion": API_VERSION, "kind": kind.kind, "metadata": metadata, "spec": spec},
            content_type=transport.APPLY,
        )

    def _written(self, kind: Kind, answer: Answer) -> Manifest:
        if answer.status not in {HTTPStatus.OK, HTTPStatus.CREATED}:
            raise refusals.error_of(answer)
        self._observer.observe(kind.kind, answer.body)
        return answer.body

    def _deleted(self, kind: Kind, live: Manifest, answer: Answer) -> None:
        if answer.status not in {HTTPStatus.OK, HTTPStatus.ACCEPTED}:
            raise refusals.error_of(answer)
        if answer.body.get("kind") == kind.kind:
            self._observer.observe(kind.kind, answer.body)
            return
        self._gone[live["metadata"]["uid"]] = None
        if len(self._gone) > _REMEMBERED:
            del self._gone[next(iter(self._gone))]


async def read(api: ApiClient, kind: Kind, namespace: str | None, name: str) -> Manifest:
    """Return the object as the API server holds it, past the cache; raises NotFoundError."""
    answer = await transport.call(api, "GET", kind.path(namespace, name))
    if answer.status == HTTPStatus.NOT_FOUND:
        raise NotFoundError(f"There is no {kind.kind} {name!r}.")
    if answer.status != HTTPStatus.OK:
        raise refusals.error_of(answer)
    return answer.body


def _fence(live: Manifest, if_match: str | None) -> dict[str, str]:
    """Return what the write must find unchanged: the object itself, and every field where the caller demands it."""
    metadata = live["metadata"]
    fence = {"uid": metadata["uid"]}
    return fence if if_match is None else fence | {"resourceVersion": metadata["resourceVersion"]}
