"""The table says what was measured, and whether it is enough."""

from __future__ import annotations

from typing import Any

import pytest

from bench.operators import table

SPREAD = {"p50": 0.01, "p99": 0.05, "count": 20}


def operator(**changed: Any) -> dict[str, Any]:
    converged = {"seconds": 10.0, "timesFloor": 1.2, "writesPerObject": 22.0, "gets": 0, "conflicts": 0, "refusals": 0}
    record: dict[str, Any] = {
        "tenants": 100,
        "modelsPerTenant": 3,
        "childrenPerTenant": 20,
        "memoryMiB": {"empty": 50.0, "full": 70.0},
        "converge": {"tenants": converged, "models": dict(converged)},
        "touch": {"writes": 0},
        "restart": {"writes": 0, "seconds": 3.0, "cpuSeconds": 2.0, "stopSeconds": 0.5, "memoryMiB": 71.0},
        "drift": {"edit": {"Service": dict(SPREAD)}, "delete": {"Service": dict(SPREAD), "Secret": dict(SPREAD)}},
        "failoverSeconds": {"crash": 16.0, "rollout": 2.0},
        "rest": {"writes": 0, "millicores": 4.0},
    }
    return record | changed


def record(ours: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {
        "machine": {"cores": 2, "memoryGiB": 24},
        "floor": {"childrenPerSecond": 512.3, "serviceAccountsPerSecond": 800.0, "children": 20},
        "operators": {"Moorage": ours, **others},
    }


def lines(text: str, beginning: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(beginning)]


def test_a_run_that_reaches_every_goal_misses_none() -> None:
    assert table.missed(record(operator())) == []


@pytest.mark.parametrize(
    ("changed", "figure"),
    [
        ({"rest": {"writes": 1, "millicores": 4.0}}, "at rest: writes"),
        ({"rest": {"writes": 0, "millicores": 10.01}}, "at rest: CPU"),
        ({"failoverSeconds": {"crash": 16.0, "rollout": 3.5}}, "failover, rollout"),
        ({"touch": {"writes": 1}}, "no-op touch of every tenant: writes"),
        ({"memoryMiB": {"empty": 61.0, "full": 70.0}}, "memory, empty"),
    ],
)
def test_a_value_beyond_its_goal_is_missed(changed: dict[str, Any], figure: str) -> None:
    assert table.missed(record(operator(**changed))) == [figure]


def test_the_budget_of_writes_follows_from_the_children() -> None:
    ours = operator(childrenPerTenant=18)
    assert table.missed(record(ours)) == ["tenants: writes per tenant"]
    assert "<= 21" in lines(table.table(record(ours)), "tenants: writes per tenant")[0]


def test_one_kind_that_is_never_repaired_misses_the_goal_of_all() -> None:
    drift = {"edit": {"Service": SPREAD, "Secret": {**SPREAD, "p99": None}}, "delete": {"Service": SPREAD}}
    ours = operator(drift=drift)
    assert table.missed(record(ours)) == ["edited child repaired, p99 of the worst kind"]
    assert "never" in lines(table.table(record(ours)), "edited child repaired, p99")[0]


def test_a_naive_operator_is_measured_but_not_judged() -> None:
    naive = operator(tenants=20, rest={"writes": 99, "millicores": 50.0})
    del naive["failoverSeconds"]
    found = record(operator(), naive=naive)
    assert table.missed(found) == []
    text = table.table(found)
    assert "naive (20x3)" in text
    assert lines(text, "at rest: writes")[0].split() == ["at", "rest:", "writes", "<=", "0", "0", "99", "ok"]
    assert lines(text, "failover, crash")[0].split() == ["failover,", "crash", "<=", "20", "s", "16", "s", "-", "ok"]


def test_a_busy_machine_is_told() -> None:
    found = record(operator())
    found["machine"]["loadAverage"] = 9.5
    assert "load average of 9.5" in table.table(found).splitlines()[0]


def test_drift_is_told_by_kind_with_a_dash_for_what_was_not_tried() -> None:
    row = lines(table.table(record(operator())), "Secret")[0]
    assert row.split() == ["Secret", "-", "-", "0.010", "0.050", "20"]
