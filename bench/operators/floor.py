"""How many server-side applies a second this machine takes at most, from a bare loop with nothing to decide.

Separate because it is the yardstick: an operator cannot converge faster than its writes at this rate. It runs on a
control plane of its own, with the operator's own HTTP client, in the same run as everything it is compared with.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.operators import tenants
from bench.operators.driver import Driver, each
from moorage_operator.runtime import resources

if TYPE_CHECKING:
    from collections.abc import Iterable

Manifest = dict[str, Any]

SMALL = 3000
"""Smallest objects applied."""
TENANTS = 200
"""Tenants whose children the loop applies: some 4,000 objects."""


@dataclass(frozen=True)
class Floor:
    """Writes a second, saturated."""

    children_per_second: float
    """Of the same mix of objects that a tenant gets; this is the yardstick."""
    service_accounts_per_second: float
    """Of the smallest child there is, for comparison with other machines."""
    children: int
    """Objects of one tenant."""


async def measure(driver: Driver) -> Floor:
    """Apply the children of many tenants as fast as the API server takes them."""
    sets = [tenants.children(_made_up(name)) for name in tenants.tenant_names(TENANTS)]
    namespaces = [one[0] for one in sets]
    others = [manifest for one in sets for manifest in one[1:]]
    began = time.monotonic()
    await each(driver.create, namespaces)
    await each(driver.apply, others)
    seconds = time.monotonic() - began
    small = await _rate(driver, [_service_account(number, namespaces) for number in range(SMALL)])
    return Floor((len(namespaces) + len(others)) / seconds, small, len(sets[0]))


async def _rate(driver: Driver, manifests: Iterable[Manifest]) -> float:
    given = list(manifests)
    began = time.monotonic()
    await each(driver.apply, given)
    return len(given) / (time.monotonic() - began)


def _made_up(name: str) -> Manifest:
    """Return a Tenant as the API server would answer it."""
    wanted = tenants.tenant(name)
    return {**wanted, "metadata": {"name": name, "uid": f"uid-of-{name}", "generation": 1}}


def _service_account(number: int, namespaces: list[Manifest]) -> Manifest:
    namespace = namespaces[number % len(namespaces)]["metadata"]["name"]
    return {
        "apiVersion": resources.SERVICE_ACCOUNT.api_version,
        "kind": resources.SERVICE_ACCOUNT.kind,
        "metadata": {"name": f"small-{number}", "namespace": namespace},
    }
