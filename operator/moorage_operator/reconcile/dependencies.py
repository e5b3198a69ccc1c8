"""Which revisions of other models a model is built on: ensembles and models that call others.

Separate because it looks across the models of a tenant. A snapshot names the very revisions that a model calls, so a
new one of theirs makes a new one of it, which is loaded beside the old: answers never change under a revision.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from moorage_crds import labels, names
from moorage_crds.modeldeployment import ModelDeploymentSpec
from moorage_operator.reconcile import revisions
from moorage_operator.reconcile.identity import is_being_deleted
from moorage_operator.reconcile.model_status import Refusal
from moorage_operator.reconcile.world import Manifest, World

_PYTHON: Final = "python"


def resolve(world: World, model: Manifest, spec: ModelDeploymentSpec, *, allows_python: bool) -> Mapping[str, str]:
    """Return the stable revision of each model that the spec names, by model; those that have none are left out."""
    found = {name: _stable(world, name, allows_python=allows_python) for name in _named(spec) if name != _own(model)}
    return {name: revision for name, revision in found.items() if revision}


def refuse(world: World, model: Manifest, spec: ModelDeploymentSpec, found: Mapping[str, str]) -> Refusal | None:
    """Return why the model cannot be built on what its spec names, None when it can."""
    cycle = _cycle(world, model, spec)
    if cycle:
        return Refusal("DependencyCycle", f"The models depend on each other: {' -> '.join(cycle)}.")
    lacking = sorted(set(_named(spec)) - set(found))
    if not lacking:
        return None
    existing = _models(world)
    missing = [name for name in lacking if name not in existing]
    if missing:
        return Refusal("DependencyMissing", f"There is no model {missing[0]} in this namespace.", is_waiting=True)
    return Refusal("DependencyNotReady", f"No revision of model {lacking[0]} serves yet.", is_waiting=True)


def _named(spec: ModelDeploymentSpec) -> tuple[str, ...]:
    return tuple(sorted({*spec.depends_on, *(step.model for step in spec.config.steps)}))


def _own(model: Manifest) -> str:
    name: str = model["metadata"]["name"]
    return name


def _models(world: World) -> Mapping[str, Manifest]:
    return {_own(model): model for model in world.models if not is_being_deleted(model)}


def _stable(world: World, name: str, *, allows_python: bool) -> str | None:
    model = _models(world).get(name)
    if model is None:
        return None
    named = (item for item in world.revisions if item["metadata"]["labels"].get(labels.MODEL) == name)
    allowed = (each for each in revisions.observe(model, named) if allows_python or not is_code(world, each.data))
    stable = revisions.stable_of(allowed)
    return stable.hash if stable else None


def is_code(world: World, data: Mapping[str, Any]) -> bool:
    """Return whether a snapshot runs code of the tenant's, itself or by what it is built on."""
    if data.get("backend") == _PYTHON or not data.get("dependencies"):
        return data.get("backend") == _PYTHON
    known = {item["metadata"]["name"]: item.get("data") or {} for item in world.revisions}
    called = (known.get(names.controller_revision(*pair)) for pair in data["dependencies"].items())
    return any(is_code(world, each) for each in called if each)


def needed(world: World, name: str) -> frozenset[str]:
    """Return the revisions of a model that held revisions of others are built on; they must not be unloaded."""
    return frozenset(data["dependencies"][name] for data in _held(world) if name in (data.get("dependencies") or {}))


def _held(world: World) -> Iterator[Mapping[str, Any]]:
    for item in world.revisions:
        if labels.INTENT in (item["metadata"].get("annotations") or {}):
            yield item.get("data") or {}


def _cycle(world: World, model: Manifest, spec: ModelDeploymentSpec) -> tuple[str, ...]:
    """Return the shortest way from the model back to itself, empty when there is none."""
    own = _own(model)
    edges = {name: _edges(each) for name, each in _models(world).items()} | {own: _named(spec)}
    ways: list[tuple[str, ...]] = [(own,)]
    reached: set[str] = set()
    while ways:
        way = ways.pop(0)
        for following in edges.get(way[-1], ()):
            if following == own:
                return (*way, own)
            if following not in reached:
                reached.add(following)
                ways.append((*way, following))
    return ()


def _edges(model: Manifest) -> tuple[str, ...]:
    """Return the names in a spec that may be invalid, which its own pass says."""
    spec = model.get("spec") or {}
    steps = (spec.get("config") or {}).get("steps") or ()
    return tuple(sorted({*(spec.get("dependsOn") or ()), *(step["model"] for step in steps)}))
