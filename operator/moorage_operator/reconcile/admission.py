"""Whether the pods that a valid spec asks for may be had at all.

Separate because a spec that fails here is not refused as a whole: what runs stays as the last good spec wanted it,
while fence, limits and rights follow the new one. A tenant must not keep a lowered quota away by asking for too much.
"""

from __future__ import annotations

from moorage_crds import conditions as words
from moorage_crds.tenant import TenantSpec
from moorage_operator.reconcile import resources
from moorage_operator.reconcile.conditions import Verdict


def refusal(spec: TenantSpec) -> Verdict | None:
    """Return what Ready says of a spec whose pods cannot be had, None for one whose pods can."""
    shortfalls = resources.shortfalls(spec)
    if shortfalls:
        return Verdict(words.READY, "False", "QuotaExceeded", " ".join(shortfalls))
    return None
