"""RFC 3339 times as Moorage writes and reads them.

Separate because the order of revisions hangs on them: they are written with microseconds where order matters.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from moorage_crds.schema import DURATION

_DURATION: Final = re.compile(DURATION)
_PART: Final = re.compile(r"([0-9]+)([hms])")
_UNITS: Final = {"h": timedelta(hours=1), "m": timedelta(minutes=1), "s": timedelta(seconds=1)}

EPOCH = datetime.fromtimestamp(0, UTC)
"""Stands for a time that nobody can read: long ago."""


def as_seconds(moment: datetime) -> str:
    """Return a time for conditions, in whole seconds as Kubernetes writes them."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def as_microseconds(moment: datetime) -> str:
    """Return a time that two events in the same second do not share."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def duration(text: str) -> timedelta | None:
    """Return a length of time written as ``1h30m``, None for a text that is none."""
    if not _DURATION.fullmatch(text):
        return None
    return sum((int(number) * _UNITS[unit] for number, unit in _PART.findall(text)), timedelta())


def parse(text: str) -> datetime | None:
    """Return the time, or None for a text that is none; a time without zone counts as UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
