"""What agents are told, and may read, to fetch a revision's source besides the snapshot itself.

Separate because none of it decides the bytes: it makes no revision, and comes and goes on one that exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from moorage_crds import labels, names
from moorage_crds.modeldeployment import ModelDeploymentSpec
from moorage_operator.reconcile import replicas
from moorage_operator.reconcile.identity import is_being_deleted
from moorage_operator.reconcile.revisions import Revision
from moorage_operator.reconcile.world import Manifest, World
from moorage_templates import ModelClaim


def told(
    revisions: tuple[Revision, ...], spec: ModelDeploymentSpec, model: Manifest, world: World
) -> tuple[Revision, ...]:
    """Return the revisions with the last one, which the spec asks for, fetched as the spec says now.

    The others keep the Secret they were fetched with: a replica may have to fetch the serving revision again. All may
    lead to where the Tenant lets its pods go now.
    """
    *others, target = (replace(each, egress=_egress(each, world)) for each in revisions)
    reference = spec.source.credentials_secret_ref if spec.source else None
    digest = target.digest or _first_digest(model, target.hash)
    return (*others, replace(target, credentials=reference.name if reference else None, digest=digest))


def told_of_pinned(revisions: tuple[Revision, ...], pin: str, model: Manifest, world: World) -> tuple[Revision, ...]:
    """Return the revisions with the pinned one fetched as it was before: the spec speaks of another's source."""
    opened = (replace(each, egress=_egress(each, world)) for each in revisions)
    return tuple(
        replace(each, digest=each.digest or _first_digest(model, pin)) if each.hash == pin else each for each in opened
    )


def _egress(revision: Revision, world: World) -> str | None:
    """Return the ranges that the Tenant opens, for a source that is fetched over the network; None without any.

    Told here and not to the pods, which a changed network must not restart.
    """
    uri: str = (revision.data.get("source") or {}).get("uri") or ""
    if not uri.startswith(("https://", "s3://")):
        return None
    spec = (world.tenant or {}).get("spec") or {}
    egress = (spec.get("network") or {}).get("egress") or {}
    return None if egress.get("mode") == "None" else ",".join(egress.get("cidrs") or ()) or None


def _first_digest(model: Manifest, revision: str) -> str | None:
    """Return the manifest digest that a replica found for a revision; with several, whichever status lists first."""
    said = (item for entry in replicas.entries(model) for item in entry.get("revisions") or ())
    return next((item["sourceDigest"] for item in said if item["name"] == revision and "sourceDigest" in item), None)


def secrets(world: World) -> tuple[str, ...]:
    """Return the names of the Secrets that the agents may read: of specs and of revisions to be held.

    Never one of Moorage's own, whatever a spec names: they hold the keys of the whole tenant.
    """
    found = {name for name in (*_in_specs(world), *_in_revisions(world)) if not name.startswith(names.RESERVED_PREFIX)}
    return tuple(sorted(found))


def claims(names_of_claims: Iterable[str]) -> tuple[ModelClaim, ...]:
    """Return the agent's mounts, in an order that does not depend on the spec's."""
    return tuple(
        ModelClaim(f"claim-{number}", claim, f"{names.CLAIMS_FOLDER}/{claim}")
        for number, claim in enumerate(sorted(names_of_claims))
    )


def _in_specs(world: World) -> Iterator[str]:
    for model in world.models:
        reference = ((model.get("spec") or {}).get("source") or {}).get("credentialsSecretRef")
        if reference and not is_being_deleted(model):
            yield reference["name"]


def _in_revisions(world: World) -> Iterator[str]:
    for revision in world.revisions:
        annotations = revision["metadata"].get("annotations") or {}
        if labels.CREDENTIALS_FROM in annotations and annotations.get(labels.INTENT) == labels.WANTED:
            yield annotations[labels.CREDENTIALS_FROM]
