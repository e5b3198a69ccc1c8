"""How long a failed revision rests before it is tried again.

Separate and pure: the difference between a source that may answer soon, a model that will not load better by
being asked again, and a model that takes Triton down with it.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Final, Literal

from moorage_agent import refusals
from moorage_agent.errors import (
    DeniedError,
    FetchError,
    ModelFilesError,
    NoRoomError,
    SecretNotUsableError,
    SourceInvalidError,
    TritonLostError,
    TritonRefusedError,
    WarmupError,
)
from moorage_crds.errors import UnsafePathError

FailureState = Literal["FetchFailed", "LoadFailed"]

FETCH_FAILED: Final = "FetchFailed"
LOAD_FAILED: Final = "LoadFailed"

_DELAYS: Final[dict[FailureState, tuple[float, float]]] = {FETCH_FAILED: (5.0, 300.0), LOAD_FAILED: (120.0, 1800.0)}
"""First and longest delay in seconds; it doubles in between."""

_LONGEST_BY_REASON: Final = dict.fromkeys((SecretNotUsableError.reason, DeniedError.reason), 30.0)
"""Longest delay in seconds where a corrected Secret helps: nobody tells the agent, which may read but not watch it."""

_AFTER_CRASH = 5.0
"""Seconds before the one further try of a revision during whose load Triton went away: it may be innocent."""

_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Failure:
    """The last failure of a revision; forgotten when its ControllerRevision changes."""

    version: str
    """``Revision.version`` it was tried in."""
    state: FailureState
    """The state that is reported."""
    message: str
    """The fetcher's or Triton's own words."""
    retry_at: float
    """Monotonic time in seconds from which on it may be tried again."""
    count: int = 1
    """Failures of this kind in a row."""
    crashes: int = 0
    """How often Triton went away while loading it."""
    reason: str | None = None
    """More exact than ``state``, one of ``moorage_crds.conditions.REASONS``; None where there is nothing to add."""


def reason_of(error: Exception) -> str | None:
    """Return the more exact reason of a failure, None where its state says it all."""
    if isinstance(error, FetchError | ModelFilesError | WarmupError):
        return None if error.reason == FETCH_FAILED else error.reason
    if isinstance(error, UnsafePathError):
        return SourceInvalidError.reason
    if isinstance(error, TritonLostError):
        return "TritonEnded"
    if isinstance(error, TritonRefusedError):
        return refusals.reason_of(str(error))
    is_full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return NoRoomError.reason if is_full else None


def failed(
    previous: Failure | None,
    version: str,
    state: FailureState,
    message: str,
    now: float,
    *,
    crashed: bool = False,
    reason: str | None = None,
) -> Failure:
    """Return the failure that follows the previous one of the same revision."""
    if previous is None or previous.version != version:
        count, crashes = 1, int(crashed)
    else:
        count = previous.count + 1 if previous.state == state else 1
        crashes = previous.crashes + int(crashed)
    first, longest = _DELAYS[state]
    delay = min(first * 2 ** (count - 1), _LONGEST_BY_REASON.get(reason or "", longest))
    if crashed:
        delay = _AFTER_CRASH if crashes == 1 else _NEVER
    return Failure(version, state, message, now + delay, count, crashes, reason)
