"""Which revisions of a model get its requests, and how much of them.

Separate because the gateway acts on it alone, and because it follows from the revisions and the spec: a status that was
cleared comes back with the same shares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from moorage_operator.reconcile.revisions import Revision

WHOLE = 100


@dataclass(frozen=True, slots=True)
class Share:
    """A revision's part of the requests."""

    revision: str
    """8 hex digits."""
    weight: int
    """In percent."""


def shares(stable: Revision | None, candidate: Revision | None, weight: int | None) -> tuple[Share, ...]:
    """Return the shares, the stable revision's first; ``weight`` is the canary's, None without one.

    A candidate gets its share once it was found loaded everywhere, which ``canary_since`` records.
    """
    if stable is None:
        return ()
    if candidate is None or candidate.canary_since is None or weight is None:
        return (Share(stable.hash, WHOLE),)
    return Share(stable.hash, WHOLE - weight), Share(candidate.hash, weight)
