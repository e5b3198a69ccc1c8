"""What is read from an API server's metrics page, and what of it is the operator's."""

from __future__ import annotations

import pytest

from bench.operators.counts import Asked, Counts


def line(verb: str, resource: str, code: int, count: int, subresource: str = "") -> str:
    return (
        f'apiserver_request_total{{code="{code}",component="apiserver",dry_run="",group="x",resource="{resource}",'
        f'scope="resource",subresource="{subresource}",verb="{verb}",version="v1"}} {count}'
    )


PAGE = "\n".join(
    [
        "# TYPE apiserver_request_total counter",
        line("APPLY", "services", 201, 5),
        line("APPLY", "services", 409, 1),
        line("APPLY", "services", 403, 2),
        line("APPLY", "tenants", 200, 3, "status"),
        line("POST", "tenants", 201, 4),
        line("POST", "namespaces", 201, 4),
        line("PATCH", "tenants", 200, 4),
        line("GET", "namespaces", 200, 7),
        line("LIST", "services", 200, 8),
        line("WATCH", "services", 200, 9),
        line("PUT", "leases", 200, 100),
        line("GET", "leases", 200, 100),
        line("APPLY", "events", 201, 6),
        line("POST", "ipaddresses", 201, 50),
        line("GET", "", 200, 1000),
        'apiserver_request_duration_seconds_count{resource="services",verb="APPLY"} 77',
    ]
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("writes", 5 + 1 + 2 + 3 + 4 + 4 + 4),
        ("gets", 7),
        ("lists", 8),
        ("conflicts", 1),
        ("refusals", 2),
        ("events", 6),
    ],
)
def test_bookkeeping_and_the_servers_own_requests_are_not_the_work(name: str, expected: int) -> None:
    assert getattr(Counts.parse(PAGE), name) == expected


def test_large_counts_are_read_as_prometheus_writes_them() -> None:
    assert Counts.parse(line("APPLY", "services", 201, 1).replace("} 1", "} 1.25e+06")).writes == 1_250_000


def test_requests_of_one_sort_under_several_versions_are_added() -> None:
    both = line("APPLY", "services", 201, 1) + "\n" + line("APPLY", "services", 201, 2).replace('"v1"', '"v2"')
    assert Counts.parse(both).writes == 3


def test_what_was_asked_before_is_taken_off() -> None:
    before = Counts.parse(line("APPLY", "services", 201, 5))
    after = Counts.parse(line("APPLY", "services", 201, 7) + "\n" + line("GET", "namespaces", 200, 1))
    assert after.since(before) == Counts(
        {Asked("APPLY", "services", "", 201): 2, Asked("GET", "namespaces", "", 200): 1}
    )


def test_the_drivers_own_requests_are_taken_off_successful_ones_first() -> None:
    counts = Counts.parse(line("POST", "tenants", 201, 4) + "\n" + line("POST", "tenants", 409, 1))
    assert counts.without({Asked("POST", "tenants"): 4}) == Counts({Asked("POST", "tenants", "", 409): 1})


def test_the_drivers_own_requests_leave_other_subresources_alone() -> None:
    counts = Counts.parse(line("PATCH", "tenants", 200, 4) + "\n" + line("PATCH", "tenants", 200, 2, "status"))
    assert counts.without({Asked("PATCH", "tenants"): 4}).writes == 2


def test_a_record_names_each_sort_but_bookkeeping_and_lists() -> None:
    page = [line("APPLY", "tenants", 200, 3, "status"), line("PUT", "leases", 200, 1), line("LIST", "services", 200, 8)]
    assert Counts.parse("\n".join(page)).table() == {"APPLY tenants/status 200": 3}
