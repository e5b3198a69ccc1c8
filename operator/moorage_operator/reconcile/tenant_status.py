"""The status of a Tenant whose namespace is its own and alive.

Separate from ``plan``, which decides what is written; this says what is there. It runs before the pass's writes are
executed and describes the state after them: the runtime asks again with ``failure`` when one of them fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from moorage_crds import conditions as words
from moorage_crds import names
from moorage_operator.reconcile import conditions, credentials, storeusers, times, workloads
from moorage_operator.reconcile.conditions import Verdict
from moorage_operator.reconcile.world import Manifest, World


@dataclass(frozen=True, slots=True)
class Facts:
    """What the status of a Tenant is made of, besides the observed objects."""

    tenant_id: str
    replicas: int
    """Triton pods that the spec asks for."""
    is_suspended: bool
    """Whether the spec asks for no pod at all, whatever else it says."""
    has_vector_store: bool
    external_store: str | None
    """Host of a vector store that somebody else runs, None where the tenant's own is or none at all."""
    is_isolated: bool
    """Namespace, policies, quota and bindings are in place once this pass's writes are done."""
    is_changing: bool
    """This pass writes a workload, so its observed status is out of date."""
    is_waiting: bool
    """A workload has the pods of an earlier version of the operator, and waits for its turn to have new ones."""
    models: Mapping[str, int]
    """Counts ``total``, ``ready`` and ``failed``."""
    makes_credentials: bool
    """This pass makes keys, so their observed age is out of date."""
    refusal: Verdict | None
    """What Ready says of pods that the spec asks for and cannot have; they are then as an earlier spec wanted them."""
    failure: str | None
    """Message of a write that failed, None when all went well."""


def status(world: World, facts: Facts, now: datetime) -> dict[str, Any]:
    """Return the Tenant's status; ``observedGeneration`` stays behind while a write fails."""
    tenant: Manifest = world.tenant or {}
    observed = tenant.get("status") or {}
    generation = tenant["metadata"]["generation"] if facts.failure is None else observed.get("observedGeneration")
    parts = _parts(world, facts)
    ready = _ready(world, facts, parts)
    verdicts = (*conditions.summary(ready, stalled=ready == facts.refusal), *parts)
    said = {
        "tenantID": facts.tenant_id,
        "namespace": world.namespace_name,
        "conditions": conditions.build(verdicts, observed.get("conditions") or (), generation, now),
        "endpoints": _endpoints(world, facts),
        "models": dict(facts.models),
    }
    made_at = now if facts.makes_credentials else credentials.made_at(world)
    if made_at is not None:
        said["lastRotation"] = times.as_seconds(made_at)
    return said | ({"observedGeneration": generation} if generation is not None else {})


def _endpoints(world: World, facts: Facts) -> dict[str, str]:
    endpoints = {"triton": f"{names.TRITON}.{world.namespace_name}.svc"}
    if facts.has_vector_store:
        endpoints["weaviate"] = facts.external_store or f"{names.WEAVIATE}.{world.namespace_name}.svc"
    return endpoints


def _parts(world: World, facts: Facts) -> tuple[Verdict, ...]:
    return (
        _isolation(facts),
        _credentials(world, facts),
        _inference(world, facts),
        _vector_store(world, facts),
        _models(facts),
    )


def _ready(world: World, facts: Facts, parts: tuple[Verdict, ...]) -> Verdict:
    """Return the Ready condition. Models have their own: one bad model must not make its tenant look broken."""
    if facts.failure is not None:
        return Verdict(words.READY, "False", "WriteFailed", facts.failure)
    if facts.refusal is not None:
        return facts.refusal
    missing = [part for part in parts if part.type != words.MODELS_READY and not conditions.is_true(part)]
    if missing:
        return Verdict(words.READY, "False", missing[0].reason, missing[0].message)
    if facts.is_changing or not all(map(workloads.is_complete, workloads.observed(world))):
        return Verdict(words.READY, "False", "Progressing", words.REASONS["Progressing"])
    if facts.is_waiting:
        return Verdict(words.READY, "True", "UpgradeQueued", words.REASONS["UpgradeQueued"])
    return _suspended(words.READY) if facts.is_suspended else _available(words.READY)


def _available(condition: str) -> Verdict:
    return Verdict(condition, "True", "Available", words.REASONS["Available"])


def _suspended(condition: str) -> Verdict:
    """Return a condition that holds: what a suspended tenant asks for is that nothing runs."""
    return Verdict(condition, "True", "Suspended", words.REASONS["Suspended"])


def _isolation(facts: Facts) -> Verdict:
    if facts.is_isolated:
        return _available(words.ISOLATION_READY)
    return Verdict(words.ISOLATION_READY, "False", "Progressing", words.REASONS["Progressing"])


def _credentials(world: World, facts: Facts) -> Verdict:
    """Return whether every key is there; what lacks now is made by this very pass, if its writes succeed."""
    secret = credentials.observed(world)
    missing = credentials.KEYS if secret is None else credentials.missing_keys(secret)
    if credentials.is_rotating(world) or storeusers.is_changing(world):
        return Verdict(words.CREDENTIALS_READY, "True", "RotatingCredentials", words.REASONS["RotatingCredentials"])
    if facts.failure is None or not missing:
        return _available(words.CREDENTIALS_READY)
    message = f"Secret {names.CREDENTIALS} lacks {', '.join(missing)}."
    return Verdict(words.CREDENTIALS_READY, "False", "CredentialsMissing", message)


def _inference(world: World, facts: Facts) -> Verdict:
    if facts.is_suspended:
        return _suspended(words.INFERENCE_READY)
    if facts.replicas == 0:
        return Verdict(words.INFERENCE_READY, "True", "NotRequested", words.REASONS["NotRequested"])
    running = _running(words.INFERENCE_READY, world.children.get(("Deployment", names.TRITON)), "Triton")
    blind = _blindness(world)
    if blind is None or not conditions.is_true(running):
        return running
    return Verdict(words.INFERENCE_READY, "True", "AutoscalerBlind", blind)


def _blindness(world: World) -> str | None:
    """Return the autoscaler's own words when it cannot see the load, None when it can or there is none."""
    autoscaler = world.children.get(("HorizontalPodAutoscaler", names.TRITON)) or {}
    told = (autoscaler.get("status") or {}).get("conditions") or ()
    return next((one.get("message") or "" for one in told if _says_blind(one)), None)


def _says_blind(condition: Mapping[str, Any]) -> bool:
    """Return whether scaling is off for want of figures; without pods it is off because there is nothing to scale."""
    return (condition["type"], condition["status"]) == ("ScalingActive", "False") and (
        condition.get("reason") != "ScalingDisabled"
    )


def _vector_store(world: World, facts: Facts) -> Verdict:
    if not facts.has_vector_store:
        return Verdict(words.VECTOR_STORE_READY, "True", "NotRequested", words.REASONS["NotRequested"])
    if facts.external_store is not None:
        return Verdict(words.VECTOR_STORE_READY, "True", "External", words.REASONS["External"])
    if facts.is_suspended:
        return _suspended(words.VECTOR_STORE_READY)
    running = _running(words.VECTOR_STORE_READY, world.children.get(("StatefulSet", names.WEAVIATE)), "Weaviate")
    if conditions.is_true(running) and storeusers.is_pending(world):
        reason = "StoreUserPending"
        return Verdict(words.VECTOR_STORE_READY, "False", reason, words.REASONS[reason])
    return running


def _running(condition: str, workload: Manifest | None, name: str) -> Verdict:
    ready = ((workload or {}).get("status") or {}).get("readyReplicas", 0)
    if ready:
        return _available(condition)
    return Verdict(condition, "False", "PodsNotReady", f"No {name} pod is ready.")


def _models(facts: Facts) -> Verdict:
    total, good = facts.models["total"], facts.models["ready"]
    if total == good:
        return _available(words.MODELS_READY)
    if facts.is_suspended:
        return Verdict(words.MODELS_READY, "False", "Suspended", words.REASONS["Suspended"])
    return Verdict(words.MODELS_READY, "False", "ModelsNotReady", f"{good} of {total} models are ready.")
