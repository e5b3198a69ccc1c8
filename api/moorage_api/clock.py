"""The clock as an argument: decisions take it, tests turn it."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the current time, always in UTC."""


def system() -> datetime:
    """Return the machine's time in UTC."""
    return datetime.now(UTC)
