"""How requests to each revision went: what the operator judges canaries by.

Separate from the HTTP metrics because these count what a replica was asked, whoever asked, by names that come and go.
A counter never falls while the process lives, except that one of too many is forgotten and begins anew.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from moorage_api.gateway.errors import ModelRefusedError, UnknownModelError
from moorage_api.gateway.proxy import NotSentError
from moorage_api.gateway.replies import NotHeldError
from moorage_crds import names
from moorage_crds.errors import MoorageError

REMEMBERED: Final = 10_000
"""Revisions that are counted; of more, the ones asked longest ago are forgotten."""

_LABELS: Final = ("tenant", "model", "revision")
_NOT_RUN: Final = (NotSentError, NotHeldError)
"""Nothing reached the revision; another replica is asked."""
_NOT_ITS_FAULT: Final = (ModelRefusedError, UnknownModelError)
"""The request was wrong."""


class RevisionCounters:
    """Counts requests and failures by tenant, model and revision.

    Args:
        registry: Where the metrics are shown.
        clock: Unix time.
        remembered: How many revisions are counted.
    """

    def __init__(
        self, registry: CollectorRegistry, clock: Callable[[], float] = time.time, remembered: int = REMEMBERED
    ) -> None:
        self._remembered = remembered
        self._known: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self._requests = Counter(
            names.REVISION_REQUESTS, "Inference requests that a replica took.", _LABELS, registry=registry
        )
        self._errors = Counter(
            names.REVISION_ERRORS, "Those of them that the revision failed.", _LABELS, registry=registry
        )
        Gauge(names.GATEWAY_STARTED, "Unix time at which these counters began.", registry=registry).set(clock())

    @contextmanager
    def counting(self, tenant: str, model: str, revision: str) -> Iterator[None]:
        """Count one request, and as failed what ends in an error of ours that is not the caller's fault.

        An answer that breaks off counts as failed, a caller who goes away as answered.
        """
        key = (tenant, model, revision)
        try:
            yield
        except _NOT_RUN:
            raise
        except _NOT_ITS_FAULT:
            self._count(key)
            raise
        except MoorageError:
            self._count(key)
            self._errors.labels(*key).inc()
            raise
        except BaseException:
            self._count(key)
            raise
        else:
            self._count(key)

    def _count(self, key: tuple[str, str, str]) -> None:
        self._known[key] = None
        self._known.move_to_end(key)
        self._requests.labels(*key).inc()
        if len(self._known) > self._remembered:
            oldest, _ = self._known.popitem(last=False)
            self._requests.remove(*oldest)
            self._errors.remove(*oldest)
