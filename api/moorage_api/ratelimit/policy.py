"""The one table of rate limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Limit:
    """So many requests in so many seconds, all of which may come at once."""

    requests: int
    seconds: float


POLICY: Final = {
    # A person mistypes a few times; a dictionary needs millions. Counted per name and address.
    "login": Limit(requests=5, seconds=60.0),
}
