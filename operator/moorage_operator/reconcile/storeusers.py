"""The user of the tenant's vector store whose key the API sends: made while the store runs, one for each rotation.

Separate because its key is made by the store itself, and because the store's pods are not touched by it. What is
observed are the Secret's annotations: which rotation the user was made in, and since when an older one is left. So
every step can be cut off and is taken again. A user that a step cut off has left is given another key; all users but
the last one go in the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from moorage_crds import labels, names
from moorage_operator.reconcile import credentials, owned, times, workloads
from moorage_operator.reconcile.actions import MakeStoreUser, RemoveStoreUsers, StoreUsers
from moorage_operator.reconcile.identity import is_being_deleted
from moorage_operator.reconcile.world import Manifest, World

DRAIN: Final = timedelta(minutes=1)
"""How long the previous user is left after the new one's key is in the Secret: each process of the API hears of it by a
watch, in milliseconds as a rule, and requests under way may end."""

_PREVIOUS: Final = f"{names.WEAVIATE_KEY}{names.PREVIOUS}"
_CLAIM: Final = f"data-{names.WEAVIATE}-0"


def step(world: World, wanted: Iterable[Manifest], now: datetime) -> tuple[StoreUsers, ...]:
    """Return what is to be done next, if anything, and the store is there to do it."""
    secret = credentials.observed(world)
    if secret is None or is_being_deleted(secret):
        return ()
    is_due, end = _is_due(world, secret), drains_until(world)
    is_over = end is not None and end <= now
    if not (is_due or is_over) or not _is_running(world, wanted):
        return ()
    return (_make(world, secret, now),) if is_due else (_end(world, secret),)


def is_pending(world: World) -> bool:
    """Return whether the store has no user whose key the API could send."""
    secret = credentials.observed(world)
    return secret is None or not _is_used(world, secret)


def is_changing(world: World) -> bool:
    """Return whether the store still takes the key of an earlier rotation; one without pods takes none."""
    secret, store = credentials.observed(world), _store(world)
    if secret is None or store is None or not store["spec"].get("replicas"):
        return False
    is_behind = bool(_number(secret)) and _number(secret) != str(workloads.rotation_of(secret))
    return is_behind or drains_until(world) is not None


def drains_until(world: World) -> datetime | None:
    """Return when the previous user may go, None when there is none."""
    secret = credentials.observed(world)
    since = times.parse(_annotations(secret).get(labels.STORE_USER_SINCE, "")) if secret else None
    return since + DRAIN if since else None


def _is_due(world: World, secret: Manifest) -> bool:
    return _number(secret) != str(workloads.rotation_of(secret)) or not _is_used(world, secret)


def _is_used(world: World, secret: Manifest) -> bool:
    """Return whether the store takes the key that the API sends: nobody has changed it, nor the store lost its data."""
    then, claim = _annotations(secret).get(labels.STORE_CLAIM), _claim(world)
    return credentials.is_sound(secret, names.WEAVIATE_KEY) and not (then and claim and then != claim)


def _is_running(world: World, wanted: Iterable[Manifest]) -> bool:
    """Return whether every pod of the store is as it shall be and ready; one that waits for its turn is not."""
    asked, live = next((one for one in wanted if one["kind"] == "StatefulSet"), None), _store(world)
    if asked is None or live is None or is_being_deleted(live) or not asked["spec"]["replicas"]:
        return False
    return workloads.is_complete(live) and owned.is_current(asked, live)


def _make(world: World, secret: Manifest, now: datetime) -> MakeStoreUser:
    number, is_only = workloads.rotation_of(secret), not _is_used(world, secret)
    said = {labels.STORE_USER: str(number)}
    said |= {labels.STORE_CLAIM: claim} if (claim := _claim(world)) else {}
    said |= {} if is_only else {labels.STORE_USER_SINCE: times.as_seconds(now)}
    kept = _dropped(secret) if is_only else iter((credentials.copied(names.WEAVIATE_KEY),))
    patch = (*credentials.guards(secret), *kept, *credentials.annotated(secret, said))
    store = _store(world) or {}
    is_replicated = store["spec"]["replicas"] > 1
    return MakeStoreUser(world.namespace_name, names.store_user(number), is_only, is_replicated, patch)


def _end(world: World, secret: Manifest) -> RemoveStoreUsers:
    user = names.store_user(workloads.rotation_of(secret))
    return RemoveStoreUsers(world.namespace_name, user, (*credentials.guards(secret), *_dropped(secret)))


def _dropped(secret: Manifest) -> Iterator[Mapping[str, Any]]:
    """Yield what takes an earlier user out of the Secret."""
    if _PREVIOUS in (secret.get("data") or {}):
        yield {"op": "remove", "path": credentials.path(_PREVIOUS)}
    if labels.STORE_USER_SINCE in _annotations(secret):
        yield {"op": "remove", "path": credentials.annotation_path(labels.STORE_USER_SINCE)}


def _store(world: World) -> Manifest | None:
    return next((one for one in workloads.observed(world) if one["kind"] == "StatefulSet"), None)


def _claim(world: World) -> str | None:
    """Return the UID of the store's first volume claim: another one is empty, and holds no user."""
    found = world.children.get(("PersistentVolumeClaim", _CLAIM)) if world.namespace else None
    return found["metadata"]["uid"] if found else None


def _number(secret: Manifest) -> str:
    return _annotations(secret).get(labels.STORE_USER, "")


def _annotations(secret: Manifest) -> Mapping[str, str]:
    return secret["metadata"].get("annotations") or {}
