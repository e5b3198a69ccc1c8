"""Decisions about a model's rollout as changes of its spec: pure, from the live object to what we shall own of it.

A rollback is a pin and no older spec: a pin lies beside what Git holds, so that a re-apply neither undoes it nor is
refused, and it needs no credentials or files of the old source.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from moorage_api.kube import owned
from moorage_api.kube.writes import Change
from moorage_api.models.errors import NoRevisionError
from moorage_crds.errors import ManagedElsewhereError

Manifest = dict[str, Any]
Action = Literal["Promote", "Abort"]


def deciding(action: Action, revision: str | None) -> Change:
    """Return the change that decides about a revision, by default the candidate."""

    def change(live: Manifest, own: Manifest) -> Manifest:
        if pin := _rollout(live.get("spec")).get("pin"):
            raise NoRevisionError(f"The model is pinned to revision {pin}; end the rollback first.")
        chosen = revision or _status(live).get("candidateRevision")
        if chosen is None:
            raise NoRevisionError("The model has no candidate to decide about.")
        return _with(own, decision={"revision": chosen, "action": action})

    return change


def pinning(revision: str | None) -> Change:
    """Return the change that pins a revision: by default what a rollout is about to replace, or else has replaced."""

    def change(live: Manifest, own: Manifest) -> Manifest:
        status = _status(live)
        default = "stableRevision" if status.get("candidateRevision") else "previousRevision"
        chosen = revision or status.get(default)
        if chosen is None:
            raise NoRevisionError("The model has no revision to go back to.")
        return _with(own, pin=chosen)

    return change


def unpinned(live: Manifest, own: Manifest) -> Manifest:
    """Return the spec without the pin; raises ManagedElsewhereError where somebody else has set it."""
    others = owned.other_managers(live, "spec", "rollout", "pin")
    if others:
        named = " and ".join(others)
        raise ManagedElsewhereError(f"Another manager owns what this would change: {named} manages spec.rollout.pin.")
    rollout = {name: value for name, value in _rollout(own).items() if name != "pin"}
    return {**own, "rollout": rollout} if rollout else {name: own[name] for name in own if name != "rollout"}


def _with(own: Manifest, **fields: Any) -> Manifest:
    return {**own, "rollout": {**_rollout(own), **fields}}


def _rollout(spec: Mapping[str, Any] | None) -> Manifest:
    rollout: Manifest = (spec or {}).get("rollout") or {}
    return rollout


def _status(live: Manifest) -> Manifest:
    status: Manifest = live.get("status") or {}
    return status
