"""The immutable snapshot of what decides the bytes Triton serves, and its hash.

Separate because the operator names revisions by it and the agent reads snapshots back: both must agree for ever.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moorage_crds.modeldeployment import ModelDeploymentSpec
    from moorage_crds.schema import Schema

HASH_LENGTH = 8


def snapshot(
    tenant_id: str, model: str, spec: ModelDeploymentSpec, dependencies: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the revision's data: ``{tenantID, model, source, backend, config}``.

    ``dependencies``, the revision hash of each model that this one calls, is a further key where there are any.

    Only what differs from the defaults is kept, so that a field added to the resource later leaves the hash of
    every model that does not use it as it was. Fields that do not decide the bytes are left out.
    """
    data: dict[str, Any] = {
        "tenantID": tenant_id,
        "model": model,
        "source": _explicit(spec.source, without={"credentials_secret_ref"}) if spec.source else {},
        "backend": spec.backend,
        "config": _explicit(spec.config),
    }
    return data | ({"dependencies": dict(dependencies)} if dependencies else {})


def _explicit(part: Schema, without: set[str] | None = None) -> dict[str, Any]:
    return part.model_dump(mode="json", by_alias=True, exclude=without, exclude_defaults=True, exclude_none=True)


def hash8(data: Mapping[str, Any]) -> str:
    """Return the first 8 hex digits of SHA-256 over the canonical JSON of ``data``.

    Canonical: keys sorted, no white space, UTF-8 unescaped.
    """
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]
