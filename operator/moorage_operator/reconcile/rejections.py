"""The verdict that a revision shall not serve, as it is kept on its ControllerRevision.

Separate because a verdict outlives every status: it is made once, and holds until somebody asks for another try.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from moorage_crds import labels
from moorage_crds.conditions import REASONS
from moorage_operator.reconcile import times
from moorage_operator.reconcile.world import Manifest

ABORTED: Final = "Aborted"
"""Reason of a rejection by a person."""

CANARY_FAILED: Final = "CanaryFailed"
"""Reason of a rejection by figures."""

_MESSAGE_MAX: Final = 1024


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a revision was rejected."""

    reason: str
    """One of ``moorage_crds.conditions.REASONS``."""
    message: str
    at: datetime
    retry: str = ""
    """Which ``moorage.dev/retry`` the model had: another one asks for another try."""


def retry_of(model: Manifest) -> str:
    """Return what stands for the model's ``moorage.dev/retry``: short, whatever people write there; "" for none."""
    text = (model["metadata"].get("annotations") or {}).get(labels.RETRY, "")
    return hashlib.sha256(text.encode()).hexdigest()[:8] if text else ""


def dump(rejection: Rejection) -> str:
    """Return a rejection as the text of its annotation."""
    fields = {
        "at": times.as_seconds(rejection.at),
        "message": rejection.message[:_MESSAGE_MAX],
        "reason": rejection.reason,
        "retry": rejection.retry,
    }
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def parse(text: str | None) -> Rejection | None:
    """Return the rejection of an annotation; one that nobody can read still rejects, as by a person."""
    if text is None:
        return None
    fields = _fields(text)
    reason = fields.get("reason")
    return Rejection(
        reason=reason if reason in REASONS else ABORTED,
        message=str(fields.get("message", "")),
        at=times.parse(str(fields.get("at", ""))) or times.EPOCH,
        retry=str(fields.get("retry", "")),
    )


def _fields(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}
