"""Whether the pods that a valid spec asks for may be had at all.

Separate because a spec that fails here is not refused as a whole: what runs stays as the last good spec wanted it,
while fence, limits and rights follow the new one. A tenant must not keep a lowered quota away by asking for too much.
"""

from __future__ import annotations

from collections.abc import Iterator

from moorage_crds import conditions as words
from moorage_crds.tenant import ModelStorage, TenantSpec
from moorage_operator.reconcile import resources
from moorage_operator.reconcile.conditions import Verdict
from moorage_operator.reconcile.world import TenantRules


def refusal(spec: TenantSpec, rules: TenantRules) -> Verdict | None:
    """Return what Ready says of a spec whose pods cannot be had, None for one whose pods can."""
    broken = " ".join(_broken(spec, rules))
    if broken:
        return Verdict(words.READY, "False", "InvalidSpec", broken)
    shortfalls = " ".join(resources.shortfalls(spec))
    return Verdict(words.READY, "False", "QuotaExceeded", shortfalls) if shortfalls else None


def _broken(spec: TenantSpec, rules: TenantRules) -> Iterator[str]:
    """Yield a sentence for each rule of the platform's that the spec breaks."""
    inference, store = spec.inference, spec.vector_store
    claim = inference.model_store.storage or ModelStorage()
    yield from _listed("inference.runtimeClassName", inference.runtime_class_name, rules.runtime_classes)
    yield from _listed("inference.modelStore.storage.storageClassName", claim.storage_class_name, rules.storage_classes)
    if store.pods:
        yield from _listed(
            "vectorStore.storage.storageClassName", store.storage.storage_class_name, rules.storage_classes
        )
    if rules.python_needs_runtime_class and inference.python_backend == "Enabled" and not inference.runtime_class_name:
        yield "spec.inference.runtimeClassName: the platform demands one with pythonBackend Enabled."


def _listed(field: str, name: str | None, allowed: tuple[str, ...]) -> Iterator[str]:
    """Yield a sentence when a name is not on the list; without a name the cluster's default counts, which is no say."""
    if name is not None and allowed and name not in allowed:
        yield f"spec.{field}: expected one of {', '.join(allowed)}, got {name!r}."
