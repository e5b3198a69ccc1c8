"""A tenant's requests are counted by its own numbers, which may change at any time."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from moorage_api.errors import RateLimitedError, headers_of
from moorage_api.gateway.errors import ConcurrencyLimitedError
from moorage_api.gateway.limits import Bounds, TenantLimits, bounds_of
from tests.support.api import tenant


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def with_quota(name: str = "acme", generation: int = 1, **quota: Any) -> dict[str, Any]:
    made = tenant(name, quota=quota)
    made["metadata"]["generation"] = generation
    return made


def admitted(limits: TenantLimits, asking: dict[str, Any], times: int) -> int:
    count = 0
    for _ in range(times):
        try:
            limits.admit(asking)
        except RateLimitedError:
            continue
        count += 1
    return count


def test_a_burst_is_admitted_and_then_the_rate() -> None:
    clock = Clock()
    limits, asking = TenantLimits(clock), with_quota(requestsPerSecond=2, burst=5)
    assert admitted(limits, asking, 10) == 5
    clock.now += 1
    assert admitted(limits, asking, 10) == 2


def test_a_refusal_says_when_to_come_back() -> None:
    limits, asking = TenantLimits(Clock()), with_quota(requestsPerSecond=1, burst=1)
    limits.admit(asking)
    with pytest.raises(RateLimitedError) as error:
        limits.admit(asking)
    assert headers_of(error.value) == {"Retry-After": "1"}


def test_one_tenants_requests_cost_another_nothing() -> None:
    limits = TenantLimits(Clock())
    assert admitted(limits, with_quota(burst=1), 5) == 1
    assert admitted(limits, with_quota("other", burst=3), 5) == 3


def test_a_changed_bound_holds_at_once_and_another_edit_changes_nothing() -> None:
    limits = TenantLimits(Clock())
    assert admitted(limits, with_quota(burst=2), 5) == 2
    assert admitted(limits, with_quota(burst=2, generation=2), 5) == 0
    assert admitted(limits, with_quota(burst=4, generation=3), 5) == 4
    assert admitted(limits, with_quota(generation=4), 300) == 200


def test_so_many_requests_are_answered_at_a_time_and_a_place_is_given_back() -> None:
    limits, asking = TenantLimits(Clock()), with_quota(concurrentRequests=2)
    with ExitStack() as held:
        held.enter_context(limits.slot(asking))
        held.enter_context(limits.slot(asking))
        with pytest.raises(ConcurrencyLimitedError), limits.slot(asking):
            pass
        with limits.slot(with_quota(concurrentRequests=3, generation=2)):
            pass
    with limits.slot(with_quota(concurrentRequests=1, generation=3)):
        pass


def test_a_place_is_given_back_after_a_failure() -> None:
    limits, asking = TenantLimits(Clock()), with_quota(concurrentRequests=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), limits.slot(asking):
            raise ZeroDivisionError


def test_a_tenant_without_numbers_has_the_defaults() -> None:
    assert bounds_of(tenant()) == Bounds(per_second=100, burst=200, concurrent=64)
