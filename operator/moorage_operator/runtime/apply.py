"""Execute the actions of a reconciliation against the API server.

Separate from the decisions so that each verb's dangers are met once: what was committed is known to the store before
the next decision, a lost race is told from a refusal, and a status is not written more often than its pace.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moorage_crds import API_VERSION, labels, names
from moorage_operator.reconcile import (
    Action,
    AddFinalizer,
    Apply,
    ApplyStatus,
    AwaitTurn,
    ChangeCredentials,
    Create,
    Delete,
    MakeStoreUser,
    RemoveFinalizer,
    RemoveReplicaEntries,
    RemoveStoreUsers,
    StoreUsers,
    Write,
)
from moorage_operator.runtime import apierrors, client, resources
from moorage_operator.runtime.storeusers import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from moorage_operator.metrics import Metrics
    from moorage_operator.runtime.client import Api
    from moorage_operator.runtime.clock import Clock
    from moorage_operator.runtime.events import Recorder
    from moorage_operator.runtime.pace import Pace
    from moorage_operator.runtime.store import Store
    from moorage_operator.runtime.storeusers import Stores

Manifest = dict[str, Any]

GRANT_PAUSES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Seconds before each further attempt of a write that a binding made moments ago should allow: the API server's
authorizer sees a new RoleBinding through a watch of its own, some milliseconds late."""

_WRITE = {"fieldManager": names.FIELD_MANAGER, "fieldValidation": "Strict"}
_FORCED = {**_WRITE, "force": "true"}


class StaleError(Exception):
    """The world has moved on since it was read; decide anew."""


@dataclass(frozen=True, slots=True)
class Executed:
    """What became of a list of actions."""

    writes: int
    """Requests that changed something, or would have."""
    deferred: float
    """Seconds until the earliest status that was held back may be written; 0 when none was."""
    store_failure: str = ""
    """What a vector store that was asked for something failed with; empty when none did."""


@dataclass
class _Run:
    """State of one list of actions."""

    writes: int = 0
    deferred: float = 0.0
    store_failure: str = ""
    granted: bool = False
    """A RoleBinding was written in this run, so that a 403 may pass by itself."""


class Executor:
    """Executes actions in order and stops at the first that fails."""

    def __init__(
        self,
        *,
        api: Api,
        store: Store,
        stores: Stores,
        recorder: Recorder,
        metrics: Metrics,
        pace: Pace,
        clock: Clock,
    ) -> None:
        self._api = api
        self._store = store
        self._stores = stores
        self._recorder = recorder
        self._metrics = metrics
        self._pace = pace
        self._clock = clock

    async def execute(self, actions: Iterable[Action]) -> Executed:
        """Execute actions; raises StaleError for a lost race and ``apierrors.ApiError`` for anything else.

        A vector store that fails is told of in the answer: it is no reason to leave anything else undone.
        """
        run = _Run()
        for action in actions:
            if isinstance(action, AwaitTurn):
                continue
            wait = self._pace.take(action.key) if isinstance(action, ApplyStatus) else 0.0
            if wait > 0:
                run.deferred = min(wait, run.deferred or wait)
                continue
            try:
                await self._attempt(action, run)
            except StoreError as error:
                run.store_failure = str(error)
                continue
            run.writes += 1
        return Executed(run.writes, run.deferred, run.store_failure)

    async def _attempt(self, action: Write, run: _Run) -> None:
        """Execute one action, waiting out an authorizer that has not yet seen this run's RoleBinding."""
        pauses = iter(GRANT_PAUSES if run.granted else ())
        while True:
            try:
                await self._count(action)
            except apierrors.ForbiddenError:
                pause = next(pauses, None)
                if pause is None:
                    raise
                await self._clock.sleep(pause)
            else:
                run.granted = run.granted or _grants(action)
                return

    async def _count(self, action: Write) -> None:
        result = "ok"
        try:
            await self._write(action)
        except (apierrors.ConflictError, apierrors.NotFoundError) as error:
            result = error.code
            self._metrics.conflicts.inc()
            raise StaleError(f"{action.key}: {error}") from error
        except (apierrors.ApiError, StoreError) as error:
            result = error.code
            raise
        finally:
            self._metrics.writes.labels(_kind(action), type(action).__name__, result).inc()

    async def _write(self, action: Write) -> None:
        match action:
            case Create():
                await self._create(action)
            case Apply():
                await self._apply(action)
            case ApplyStatus():
                await self._apply_status(action)
            case Delete():
                await self._delete(action)
            case RemoveReplicaEntries():
                path = resources.MODEL_DEPLOYMENT.path(action.namespace, action.model, "status")
                await self._json_patch(path, list(action.patch))
            case ChangeCredentials():
                await self._json_patch(resources.SECRET.path(action.namespace, names.CREDENTIALS), list(action.patch))
            case MakeStoreUser() | RemoveStoreUsers():
                await self._change_store_users(action)
            case AddFinalizer():
                await self._json_patch(resources.TENANT.path(name=action.name), self._adding(action))
            case RemoveFinalizer():
                await self._remove_finalizer(action)

    async def _create(self, action: Create) -> None:
        resource = resources.of_kind(action.manifest["kind"])
        path = resource.path(action.manifest["metadata"].get("namespace"))
        self._keep(await self._api.request("POST", path, params=_WRITE, body=action.manifest))

    async def _apply(self, action: Apply) -> None:
        metadata = action.manifest["metadata"]
        resource = resources.of_kind(action.manifest["kind"])
        body = _versioned(dict(action.manifest), action.resource_version)
        await self._patch(resource.path(metadata.get("namespace"), metadata["name"]), body, client.APPLY, _FORCED)

    async def _apply_status(self, action: ApplyStatus) -> None:
        resource = resources.of_kind(action.kind)
        before = self._store.observed(resource, action.namespace, action.name)
        metadata = {"name": action.name, **({"namespace": action.namespace} if action.namespace else {})}
        body = {"apiVersion": API_VERSION, "kind": action.kind, "metadata": metadata, "status": dict(action.status)}
        path = resource.path(action.namespace, action.name, "status")
        after = await self._patch(path, _versioned(body, action.resource_version), client.APPLY, _FORCED)
        self._recorder.transition(before, after)

    async def _delete(self, action: Delete) -> None:
        resource = resources.of_kind(action.kind)
        options = {"preconditions": {"uid": action.uid}, "propagationPolicy": _propagation(action)}
        path = resource.path(action.namespace, action.name)
        try:
            answer = await self._api.request("DELETE", path, body=options)
        except apierrors.NotFoundError:
            self._erase(action)
            return
        if answer.get("kind") == "Status":
            self._erase(action)
        else:
            self._keep(answer)

    async def _change_store_users(self, action: StoreUsers) -> None:
        """Let the store do its part and then write the Secret, in this order: what the store has made is made again."""
        path = resources.SECRET.path(action.namespace, names.CREDENTIALS)
        root_key = await self._root_key(path, action.patch)
        made: list[Manifest] = []
        if isinstance(action, MakeStoreUser):
            key = await self._stores.make(action.namespace, root_key, action.user, is_replicated=action.is_replicated)
            made = [{"op": "add", "path": f"/data/{names.WEAVIATE_KEY}", "value": b64encode(key.encode()).decode()}]
        if isinstance(action, RemoveStoreUsers) or action.is_only:
            await self._stores.keep_only(action.namespace, root_key, action.user)
        await self._json_patch(path, [*action.patch, *made])

    async def _root_key(self, path: str, patch: Iterable[Mapping[str, Any]]) -> str:
        """Return the store's root key, read now and kept nowhere.

        A Secret that the patch would not change was written meanwhile, perhaps by us, the answer being lost: another
        key for the user would end the one that is in it.
        """
        found = await self._api.request("GET", path)
        tests = {f"/metadata/{name}": found["metadata"].get(name) for name in ("uid", "resourceVersion")}
        if any(tests.get(step["path"]) != step["value"] for step in patch if step["op"] == "test"):
            raise StaleError("the Secret has changed")
        try:
            return b64decode((found.get("data") or {})[names.WEAVIATE_ROOT_KEY], validate=True).decode("ascii")
        except (KeyError, ValueError):
            raise StaleError("the Secret has lost the store's root key") from None

    async def _remove_finalizer(self, action: RemoveFinalizer) -> None:
        try:
            await self._json_patch(resources.TENANT.path(name=action.name), self._removing(action))
        except apierrors.NotFoundError:
            return

    def _adding(self, action: AddFinalizer) -> list[Manifest]:
        if self._finalizers(action.name):
            return [*_guards(action), {"op": "add", "path": "/metadata/finalizers/-", "value": labels.FINALIZER}]
        return [*_guards(action), {"op": "add", "path": "/metadata/finalizers", "value": [labels.FINALIZER]}]

    def _removing(self, action: RemoveFinalizer) -> list[Manifest]:
        """Return the patch; the index is of the version that the guard demands."""
        finalizers = self._finalizers(action.name)
        if labels.FINALIZER not in finalizers:
            raise StaleError(f"{action.key}: it has none")
        path = f"/metadata/finalizers/{finalizers.index(labels.FINALIZER)}"
        guard = {"op": "test", "path": path, "value": labels.FINALIZER}
        return [*_guards(action), guard, {"op": "remove", "path": path}]

    def _finalizers(self, tenant: str) -> list[str]:
        observed = self._store.observed(resources.TENANT, None, tenant)
        return list(observed["metadata"].get("finalizers") or ()) if observed else []

    async def _json_patch(self, path: str, operations: list[Any]) -> None:
        """Send a JSON patch; a failed ``test`` is answered as 422, and means that the object has changed."""
        try:
            await self._patch(path, operations, client.JSON_PATCH, _WRITE)
        except apierrors.InvalidError as error:
            raise apierrors.ConflictError(str(error), error.status) from error

    async def _patch(self, path: str, body: Any, content_type: str, params: dict[str, str]) -> Manifest:
        answer = await self._api.request("PATCH", path, params=params, body=body, content_type=content_type)
        self._keep(answer)
        return answer

    def _keep(self, answer: Manifest) -> None:
        self._store.wrote(answer)

    def _erase(self, action: Delete) -> None:
        self._store.erased(action.kind, action.namespace, action.name, action.uid)


def _versioned(body: Manifest, resource_version: str | None) -> Manifest:
    """Return a manifest that is refused unless the object still has that version."""
    if resource_version is None:
        return body
    return {**body, "metadata": {**body["metadata"], "resourceVersion": resource_version}}


def _guards(action: AddFinalizer | RemoveFinalizer) -> list[Manifest]:
    return [
        {"op": "test", "path": "/metadata/uid", "value": action.uid},
        {"op": "test", "path": "/metadata/resourceVersion", "value": action.resource_version},
    ]


def _propagation(action: Delete) -> str:
    """Return what the garbage collector does with the dependents of a deleted object."""
    if action.orphans:
        return "Orphan"
    return "Foreground" if action.with_dependents else "Background"


def _grants(action: Write) -> bool:
    return isinstance(action, Create | Apply) and action.manifest["kind"] == resources.ROLE_BINDING.kind


def _kind(action: Write) -> str:
    match action:
        case Create() | Apply():
            return str(action.manifest["kind"])
        case ApplyStatus() | Delete():
            return action.kind
        case RemoveReplicaEntries():
            return resources.MODEL_DEPLOYMENT.kind
        case ChangeCredentials() | MakeStoreUser() | RemoveStoreUsers():
            return resources.SECRET.kind
        case AddFinalizer() | RemoveFinalizer():
            return resources.TENANT.kind
