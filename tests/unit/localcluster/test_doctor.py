"""The doctor's judgments, from given facts."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from localcluster import doctor
from localcluster.doctor import Weight
from localcluster.facts import Facts
from localcluster.gotools import Family
from localcluster.layout import ClusterLayout

LAYOUT = ClusterLayout("moorage-local", 0, Path("/cache"))
HEALTHY = Facts(
    system="Linux",
    is_root=True,
    can_isolate=True,
    python=(3, 11, 2),
    go=(1, 26, 0),
    node=(20, 1, 0),
    memory_gib=8.0,
    disk_gib=50.0,
    has_apt=True,
    missing_packages=(),
    missing_tools=(),
    busy_ports=(),
    routes=(IPv4Network("192.168.0.0/24"),),
    is_running=False,
)


def problems(**changes: Any) -> list[str]:
    return [one.text for one in doctor.problems(doctor.judge(replace(HEALTHY, **changes), LAYOUT))]


def notes(**changes: Any) -> list[str]:
    found = doctor.judge(replace(HEALTHY, **changes), LAYOUT)
    return [one.text for one in found if one.weight is Weight.NOTE]


def test_nothing_stands_in_the_way_on_a_healthy_machine() -> None:
    assert problems() == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"python": (3, 10, 9)}, ["Python 3.10.9", "3.11 or later"]),
        ({"go": (1, 25, 3)}, ["Go 1.25.3", "1.26 or later"]),
        ({"go": ()}, ["Go missing", "1.26 or later"]),
        ({"node": (18, 0, 0)}, ["Node.js 18.0.0", "20 or later"]),
        ({"is_root": False}, ["ordinary user", "need root", "kind"]),
        ({"system": "Darwin"}, ["Darwin", "Linux", "kind"]),
        ({"can_isolate": False}, ["may not make namespaces", "privileged"]),
        ({"is_root": False, "can_isolate": False}, ["ordinary user"]),
        ({"memory_gib": 3.2}, ["memory available 3 GiB", "6 GiB"]),
        ({"disk_gib": 12.0}, ["disk", "12 GiB", "20 GiB"]),
        ({"busy_ports": (16443,)}, ["port 16443", "in use"]),
        ({"missing_packages": ("runc",), "has_apt": False}, ["runc", "install these yourself"]),
    ],
)
def test_names_a_problem_and_what_to_do(changes: dict[str, Any], words: list[str]) -> None:
    (text,) = problems(**changes)
    assert all(word in text for word in words), text


def test_own_ports_of_a_running_cluster_are_no_problem() -> None:
    assert problems(is_running=True, busy_ports=LAYOUT.ports) == []


def test_several_problems_are_all_named() -> None:
    assert len(problems(is_root=False, go=(), busy_ports=(16443, 18080))) == 4


def test_overlapping_route_is_told_and_harmless() -> None:
    changes = {"routes": (IPv4Network("10.0.0.0/8"),)}
    assert problems(**changes) == []
    assert sum("overlaps with the route 10.0.0.0/8" in text for text in notes(**changes)) == len(LAYOUT.ranges)


def test_says_what_apt_will_install() -> None:
    findings = doctor.judge(replace(HEALTHY, missing_packages=("runc", "ipset")), LAYOUT)
    assert any("apt-get will install runc, ipset" in one.text for one in findings)


def test_says_how_long_the_first_start_takes() -> None:
    assert any("about 1 min" in text for text in notes())
    families = (Family("kubernetes", (), seconds=360), Family("etcd", (), seconds=40))
    assert any("about 11 min" in text for text in notes(missing_tools=families, missing_packages=("runc",)))


def test_a_line_starts_with_its_weight() -> None:
    (finding,) = doctor.problems(doctor.judge(replace(HEALTHY, is_root=False), LAYOUT))
    assert finding.line.startswith("PROBLEM  running as")
