"""Whose turn it is when an upgrade of the operator replaces the pods of many tenants.

Separate because it is all that is remembered between passes of different tenants: who waits, and who was let through by
a write whose answer is still on its way. Everything else is counted in the caches, so a process that begins anew knows
the same as the one before it.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from moorage_operator.reconcile import Apply, AwaitTurn, has_room
from moorage_operator.runtime import watched

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moorage_operator.reconcile import Action
    from moorage_operator.runtime.clock import Clock
    from moorage_operator.runtime.store import Store

PERIOD = 10.0
"""Seconds after which a waiting tenant is tried without any event: a roll that never ends only stops counting."""

_WORKLOADS = frozenset(kind.resource.kind for kind in watched.WORKLOADS)


class Turns:
    """Lets at most ``budget`` tenants be rolled at once; one event loop owns it."""

    def __init__(self, store: Store, clock: Clock, budget: int) -> None:
        self._store = store
        self._clock = clock
        self._budget = budget
        self._let_through: set[str] = set()
        self._waiting: dict[str, None] = {}

    def __len__(self) -> int:
        """Return how many tenants wait."""
        return len(self._waiting)

    def begin(self) -> None:
        """Forget what was remembered: a process that begins to lead looks at every tenant."""
        self._let_through.clear()
        self._waiting.clear()

    def may_roll(self, tenant: str) -> bool:
        """Return whether there is room for a tenant, or it has its place already."""
        return self._has_place(tenant) or self._has_room()

    def decided(self, tenant: str, actions: Iterable[Action]) -> None:
        """Take a decision that is about to be executed; no other may be made between asking for room and this."""
        self._waiting.pop(tenant, None)
        for action in actions:
            if isinstance(action, AwaitTurn):
                self._waiting[tenant] = None
            elif _replaces_pods(action):
                self._let_through.add(tenant)

    def executed(self, tenant: str) -> None:
        """Take the end of a pass that succeeded: what it wrote is in the caches.

        After a failure the place is kept until a pass succeeds, since the write may have been committed all the same.
        """
        self._let_through.discard(tenant)

    def next(self) -> str | None:
        """Return the tenant that has waited longest, if there is room for it; it waits no longer."""
        if not self._waiting or not self._has_room():
            return None
        tenant = next(iter(self._waiting))
        del self._waiting[tenant]
        return tenant

    def _has_place(self, tenant: str) -> bool:
        return tenant in self._let_through or self._store.is_rolling(tenant, self._clock.now())

    def _has_room(self) -> bool:
        return has_room(chain(self._let_through, self._store.rolling(self._clock.now())), self._budget)


def _replaces_pods(action: Action) -> bool:
    if not isinstance(action, Apply) or action.resource_version is None:
        return False
    return action.manifest["kind"] in _WORKLOADS
