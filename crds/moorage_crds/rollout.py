"""How a model's traffic moves from one revision to the next: ``spec.rollout``.

Separate from the resource because it makes no revision, and because people and automatons set its parts apart.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from moorage_crds.schema import Schema

_Revision = Annotated[str, Field(pattern=r"^[0-9a-f]{8}$", max_length=8)]

_DURATION = r"^[1-9][0-9]{0,5}(s|m|h)$"
_UNITS = {"s": 1, "m": 60, "h": 3600}

ROLLOUT_RULES: list[JsonValue] = [
    {
        "rule": "!has(self.autoPromote) || has(self.canary)",
        "message": "spec.rollout.autoPromote needs spec.rollout.canary: without a trial there is nothing to judge",
    },
    {
        "rule": "!has(self.canary) || self.strategy == 'Overlap'",
        "message": "spec.rollout.canary needs strategy Overlap: Recreate never holds two revisions",
    },
]
"""CEL rules of ``Rollout`` that its field types cannot say."""


class Canary(Schema):
    """A trial of the new revision on a part of the requests."""

    weight: Annotated[int, Field(ge=1, le=99)]
    """Share of the requests that the new revision gets until it is promoted, in percent."""


class AutoPromote(Schema):
    """When a canary is promoted or rejected without a person, by how its requests went at the gateways."""

    after: Annotated[str, Field(pattern=_DURATION, max_length=8)] = "5m"
    """How long the trial lasts at least, such as ``5m``."""
    max_error_rate: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Share of its requests that may fail; more reject it at once."""
    min_requests: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    """Requests it must have had before anything is decided."""


class Decision(Schema):
    """What a person decided about one revision; of no effect on any other."""

    revision: _Revision
    """Revision hash, 8 hex digits."""
    action: Literal["Promote", "Abort"]
    """``Promote`` ends its trial in its favour once it is loaded everywhere; ``Abort`` rejects it."""


class Rollout(Schema):
    """How traffic moves to a new revision."""

    strategy: Literal["Overlap", "Recreate"] = "Overlap"
    """``Overlap`` loads the new revision beside the old one; ``Recreate`` unloads the old one first."""
    canary: Canary | None = None
    """Trial on a part of the requests; absent means that a revision serves as soon as it is loaded everywhere."""
    auto_promote: AutoPromote | None = None
    """When a canary is promoted or rejected without a person; absent leaves it to people."""
    pin: _Revision | None = None
    """Revision to serve whatever else the spec asks for. Set by people for a rollback, absent from Git."""
    decision: Decision | None = None
    """What a person decided about the candidate. Set by people, absent from Git."""


def seconds(duration: str) -> int:
    """Return the length of a duration such as ``5m``."""
    return int(duration[:-1]) * _UNITS[duration[-1]]
