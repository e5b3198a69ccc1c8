"""How often the API server was asked for what, from its own ``apiserver_request_total``.

Separate and pure because every claim about requests rests on it. The API server tells verb, kind and code but not who
asked, so the driver's own requests are taken off by name, and what only the API server itself or the leader election
does is left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

_LINE = re.compile(r"apiserver_request_total\{([^}]*)\} ([0-9.e+]+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')

WRITES = frozenset({"APPLY", "CREATE", "DELETE", "DELETECOLLECTION", "PATCH", "POST", "PUT", "UPDATE"})
BOOKKEEPING = frozenset({"events", "leases"})
"""Kinds whose writes are not the work itself; they are counted apart."""
_CONFLICT = 409
_FAILED = 400
SERVERS_OWN = frozenset({"ipaddresses", "servicecidrs", "tokenreviews", "subjectaccessreviews"})
"""Kinds that the API server writes for itself: an IPAddress comes with each Service."""


@dataclass(frozen=True, order=True)
class Asked:
    """One sort of request."""

    verb: str
    resource: str
    subresource: str = ""
    code: int = 0
    """HTTP status; 0 in what the driver notes, which is told before the answer."""

    @property
    def is_write(self) -> bool:
        """Return whether it changes something, or would have."""
        return self.verb in WRITES


Predicate = Callable[[Asked], bool]


@dataclass(frozen=True)
class Counts:
    """Requests by sort."""

    by: Mapping[Asked, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, metrics: str) -> Self:
        """Return the counts in an API server's metrics page, the server's own kinds left out."""
        found: Counter[Asked] = Counter()
        for labels, value in _LINE.findall(metrics):
            named = dict(_LABEL.findall(labels))
            if named["resource"] and named["resource"] not in SERVERS_OWN:
                asked = Asked(named["verb"], named["resource"], named["subresource"], int(named["code"]))
                found[asked] += int(float(value))
        return cls(found)

    def since(self, before: Counts) -> Counts:
        """Return what was asked after ``before`` was taken."""
        grown = {asked: count - before.by.get(asked, 0) for asked, count in self.by.items()}
        return Counts({asked: count for asked, count in grown.items() if count})

    def without(self, own: Mapping[Asked, int]) -> Counts:
        """Return the counts without requests of one's own, whatever they were answered with."""
        left = dict(self.by)
        for mine, count in own.items():
            _take(left, mine, count)
        return Counts({asked: count for asked, count in left.items() if count})

    @property
    def writes(self) -> int:
        """Return how many writes there were, bookkeeping apart."""
        return self._sum(lambda asked: asked.is_write and asked.resource not in BOOKKEEPING)

    @property
    def events(self) -> int:
        """Return how many Events were written."""
        return self._sum(lambda asked: asked.is_write and asked.resource == "events")

    @property
    def gets(self) -> int:
        """Return how many single objects were read, bookkeeping apart."""
        return self._sum(lambda asked: asked.verb == "GET" and asked.resource not in BOOKKEEPING)

    @property
    def lists(self) -> int:
        """Return how many lists or pages of lists were read."""
        return self._sum(lambda asked: asked.verb == "LIST")

    @property
    def conflicts(self) -> int:
        """Return how many writes met an object that had changed or was there already."""
        return self._sum(lambda asked: asked.is_write and asked.code == _CONFLICT and asked.resource not in BOOKKEEPING)

    @property
    def refusals(self) -> int:
        """Return how many writes failed for any other reason."""
        return self._sum(lambda asked: asked.is_write and asked.code >= _FAILED and asked.code != _CONFLICT)

    def table(self) -> dict[str, int]:
        """Return the counts of everything but bookkeeping by a readable name, for a record."""
        return {
            " ".join([asked.verb, f"{asked.resource}/{asked.subresource}".rstrip("/"), str(asked.code)]): count
            for asked, count in sorted(self.by.items())
            if asked.resource not in BOOKKEEPING and asked.verb not in ("LIST", "WATCH")
        }

    def _sum(self, is_meant: Predicate) -> int:
        return sum(count for asked, count in self.by.items() if is_meant(asked))


def _take(left: dict[Asked, int], mine: Asked, count: int) -> None:
    """Take a number of requests of one sort off, successful ones first."""
    alike = (one for one in sorted(left) if _sort(one) == _sort(mine))
    for asked in alike:
        taken = min(left[asked], count)
        left[asked] -= taken
        count -= taken


def _sort(asked: Asked) -> tuple[str, str, str]:
    return asked.verb, asked.resource, asked.subresource
