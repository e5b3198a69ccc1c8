"""The tenant's Secret: made once, rotated in its time or on demand, and mended where somebody has spoilt it.

Separate because it is the one child that is never applied: a write at the wrong time would take keys away that pods
hold. Pods take their keys when they start, so each change counts up a number that is an annotation of their template,
and what a rotation replaces stays in the Secret beside the new keys until the last pod that holds it has gone.

Values are never read here: what is observed of the Secret is the names of its keys and who wrote them last. The key
that the API sends to the vector store is not made here, see ``storeusers``.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from moorage_crds import labels, names
from moorage_crds.tenant import Credentials
from moorage_operator.reconcile import times, workloads
from moorage_operator.reconcile.actions import Action, ChangeCredentials, Create
from moorage_operator.reconcile.identity import identify, is_being_deleted
from moorage_operator.reconcile.world import Manifest, World
from moorage_templates import CredentialsContext, render_secret

ROTATED: Final = (names.INFERENCE_KEY, names.MANAGEMENT_KEY)
"""Keys that a rotation replaces."""
KEYS: Final = (*ROTATED, names.WEAVIATE_ROOT_KEY)
"""Keys that pods take when they start."""

_KEY_BYTES: Final = 32
_SPREAD: Final = 0.1
"""Part of the period, its last one, over which tenants are spread: those made together are not rolled together."""
_ANSWERED_MAX: Final = 253
"""Characters of a request to rotate that are remembered and compared."""


def new_key() -> str:
    """Return a fresh random key that fits HTTP headers and command lines."""
    return secrets.token_urlsafe(_KEY_BYTES)


def observed(world: World) -> Manifest | None:
    """Return the Secret; none survives its namespace, whatever a cache still holds."""
    return world.children.get(("Secret", names.CREDENTIALS)) if world.namespace else None


def missing_keys(secret: Manifest) -> tuple[str, ...]:
    """Return the keys that the workloads need and the Secret lacks."""
    data = secret.get("data") or {}
    return tuple(key for key in KEYS if not data.get(key))


def rotation(world: World) -> int:
    """Return the number that pods shall carry: the Secret's, or that of the Secret about to be made.

    A Secret made in place of one that is gone has other keys than the pods, so its number must be another too.
    """
    secret = observed(world)
    if secret is not None:
        return workloads.rotation_of(secret)
    return _next(world, "Deployment")


def store_root(world: World) -> int:
    """Return the number that the vector store's pods shall carry, as ``rotation`` does for the others."""
    secret = observed(world)
    return workloads.count_of(secret, labels.STORE_ROOT) if secret is not None else _next(world, "StatefulSet")


def _next(world: World, kind: str) -> int:
    held = [workloads.keys_of(workload) for workload in workloads.observed(world) if workload["kind"] == kind]
    return max(held) + 1 if held else 0


def is_rotating(world: World) -> bool:
    """Return whether pods may still hold keys that were replaced."""
    secret = observed(world)
    return secret is not None and bool(_previous(secret))


def made_at(world: World) -> datetime | None:
    """Return when the keys were last made or rotated."""
    secret = observed(world)
    if secret is None:
        return None
    metadata = secret["metadata"]
    written = (metadata.get("annotations") or {}).get(labels.ROTATED_AT, "")
    return times.parse(written) or times.parse(metadata.get("creationTimestamp", ""))


def are_made(writes: Iterable[Action]) -> bool:
    """Return whether one of the writes makes keys."""
    return any(_makes_keys(write) for write in writes)


def writes(
    world: World, wanted: Iterable[Manifest], now: datetime, make_key: Callable[[], str], *, may_roll: bool
) -> tuple[Create | ChangeCredentials, ...]:
    """Return the write that the Secret needs now, if any; ``make_key`` makes a fresh key each time.

    ``wanted`` are the manifests of the tenant's children, whose pods hold the keys.
    Without ``may_roll`` nothing is rotated: pods would not be replaced to take new keys.
    """
    secret = observed(world)
    if secret is None:
        return (_create(world, now, make_key),)
    if is_being_deleted(secret):
        return ()
    spoilt = _spoilt(secret)
    if spoilt:
        return (_mend(world, secret, spoilt, now, make_key),)
    if _previous(secret):
        is_over = workloads.hold(world, wanted, workloads.rotation_of(secret))
        return (_drop_previous(world, secret),) if is_over else ()
    due = deadline(world)
    if may_roll and (_is_asked_for(world, secret) or (due is not None and due <= now)):
        return (_rotate(world, secret, now, make_key),)
    return ()


def deadline(world: World) -> datetime | None:
    """Return when the keys are due for rotation by their age alone, None when they never are."""
    made, period = made_at(world), _period(world.tenant)
    if made is None or not period:
        return None
    seed = hashlib.sha256(world.tenant_name.encode()).digest()
    return made + period * (1 - _SPREAD * seed[0] / 255)


def _period(tenant: Manifest | None) -> timedelta | None:
    """Return the period, read from the spec alone, whatever else is wrong with it."""
    given = ((tenant or {}).get("spec") or {}).get("credentials") or {}
    return times.duration(given.get("rotationPeriod", Credentials().rotation_period))


def _asked_for(tenant: Manifest | None) -> str:
    annotations: Mapping[str, str] = (tenant or {"metadata": {}})["metadata"].get("annotations") or {}
    return annotations.get(labels.ROTATE, "")[:_ANSWERED_MAX]


def _is_asked_for(world: World, secret: Manifest) -> bool:
    asked = _asked_for(world.tenant)
    return bool(asked) and asked != (secret["metadata"].get("annotations") or {}).get(labels.ROTATED_FOR)


def _previous(secret: Manifest) -> list[str]:
    return [key for key in ROTATED if f"{key}{names.PREVIOUS}" in (secret.get("data") or {})]


def _spoilt(secret: Manifest) -> tuple[str, ...]:
    """Return the keys that are missing, empty, or last written by somebody else: pods do not hold those."""
    return tuple(key for key in KEYS if not is_sound(secret, key))


def is_sound(secret: Manifest, key: str) -> bool:
    """Return whether the Secret has a key, and nobody but us has written it."""
    written = (_written_by_us(entry) for entry in secret["metadata"].get("managedFields") or ())
    return bool((secret.get("data") or {}).get(key)) and any(f"f:{key}" in ours for ours in written)


def _written_by_us(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    is_ours = entry.get("manager") == names.FIELD_MANAGER and entry.get("operation") == "Update"
    fields: Mapping[str, Any] = (entry.get("fieldsV1") or {}).get("f:data") or {} if is_ours else {}
    return fields


def _create(world: World, now: datetime, make_key: Callable[[], str]) -> Create:
    data = {key: _encoded(make_key()) for key in KEYS}
    root = store_root(world)
    annotations = _annotations(world, rotation(world), now) | ({labels.STORE_ROOT: str(root)} if root else {})
    (manifest,) = render_secret("credentials", CredentialsContext(data=data, annotations=annotations))
    return Create(identify(manifest, world.tenant_name, world.namespace_name))


def _annotations(world: World, number: int, now: datetime) -> dict[str, str]:
    asked = _asked_for(world.tenant)
    return {
        labels.ROTATED_AT: times.as_seconds(now),
        **({labels.ROTATION: str(number)} if number else {}),
        **({labels.ROTATED_FOR: asked} if asked else {}),
    }


def _mend(
    world: World, secret: Manifest, spoilt: tuple[str, ...], now: datetime, make_key: Callable[[], str]
) -> ChangeCredentials:
    """Return new keys for the spoilt ones; what pods hold of those is lost already, so there is no previous one."""
    whole = () if secret.get("data") else ({"op": "add", "path": "/data", "value": {}},)
    if spoilt == (names.WEAVIATE_ROOT_KEY,) and _is_of_an_earlier_version(secret):
        # The store's pods take it already, and so will those that take its place: no request fails.
        kept = {"op": "copy", "from": path(names.WEAVIATE_KEY), "path": path(names.WEAVIATE_ROOT_KEY)}
        return _change(world, secret, (kept,))
    made = (_set(key, make_key()) for key in spoilt)
    is_rolled = bool(set(spoilt) & set(ROTATED))
    counted = _counted(world, secret, now) if is_rolled else ()
    return _change(world, secret, (*whole, *made, *counted, *_rooted(secret, spoilt, is_rolled=is_rolled)))


def _is_of_an_earlier_version(secret: Manifest) -> bool:
    """Return whether the key that the API sends is the one that the store's pods take when they start."""
    is_rooted = names.WEAVIATE_ROOT_KEY in secret["data"]
    is_used = labels.STORE_USER in (secret["metadata"].get("annotations") or {})
    return is_sound(secret, names.WEAVIATE_KEY) and not is_rooted and not is_used


def _rooted(secret: Manifest, spoilt: tuple[str, ...], *, is_rolled: bool) -> Iterator[Mapping[str, Any]]:
    """Yield what tells the vector store's pods of a new root key."""
    if names.WEAVIATE_ROOT_KEY not in spoilt:
        return
    if not is_rolled:
        yield from annotated(secret, {})
    number = workloads.count_of(secret, labels.STORE_ROOT) + 1
    yield _annotation(labels.STORE_ROOT, str(number))


def _rotate(world: World, secret: Manifest, now: datetime, make_key: Callable[[], str]) -> ChangeCredentials:
    kept = (copied(key) for key in ROTATED)
    made = (_set(key, make_key()) for key in ROTATED)
    return _change(world, secret, (*kept, *made, *_counted(world, secret, now)))


def _drop_previous(world: World, secret: Manifest) -> ChangeCredentials:
    dropped = ({"op": "remove", "path": path(f"{key}{names.PREVIOUS}")} for key in _previous(secret))
    return _change(world, secret, tuple(dropped))


def _change(world: World, secret: Manifest, operations: tuple[Mapping[str, Any], ...]) -> ChangeCredentials:
    return ChangeCredentials(world.namespace_name, (*guards(secret), *operations))


def guards(secret: Manifest) -> Iterator[Mapping[str, Any]]:
    """Yield what refuses a patch of any Secret but the one that was observed."""
    metadata = secret["metadata"]
    for field in ("uid", "resourceVersion"):
        yield {"op": "test", "path": f"/metadata/{field}", "value": metadata[field]}


def _counted(world: World, secret: Manifest, now: datetime) -> Iterator[Mapping[str, Any]]:
    """Yield what tells pods and people of new keys."""
    yield from annotated(secret, _annotations(world, workloads.rotation_of(secret) + 1, now))


def annotated(secret: Manifest, annotations: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    """Yield what sets annotations of the Secret."""
    if not secret["metadata"].get("annotations"):
        yield {"op": "add", "path": "/metadata/annotations", "value": {}}
    yield from (_annotation(key, value) for key, value in annotations.items())


def _annotation(key: str, value: str) -> dict[str, Any]:
    return {"op": "add", "path": annotation_path(key), "value": value}


def annotation_path(key: str) -> str:
    """Return where an annotation is, for a JSON patch."""
    return f"/metadata/annotations/{key.replace('/', '~1')}"


def copied(key: str) -> dict[str, Any]:
    """Return what keeps a key as the previous one."""
    return {"op": "copy", "from": path(key), "path": path(f"{key}{names.PREVIOUS}")}


def _makes_keys(write: Action) -> bool:
    match write:
        case Create():
            return bool(write.manifest["kind"] == "Secret")
        case ChangeCredentials():
            return any(step["path"] == annotation_path(labels.ROTATED_AT) for step in write.patch)
        case _:
            return False


def _set(key: str, value: str) -> dict[str, Any]:
    return {"op": "add", "path": path(key), "value": _encoded(value)}


def path(key: str) -> str:
    """Return where a key is, for a JSON patch."""
    return f"/data/{key}"


def _encoded(value: str) -> str:
    return b64encode(value.encode()).decode()
