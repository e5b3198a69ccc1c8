"""How other programs' words become facts."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from localcluster.facts import parse_routes, parse_version
from localcluster.packages import REQUIRED, parse_missing


@pytest.mark.parametrize(
    ("words", "version"),
    [
        ("go version go1.26.8 linux/amd64\n", (1, 26, 8)),
        ("v20.20.2\n", (20, 20, 2)),
        ("", ()),
        ("command not found", ()),
    ],
)
def test_a_version_is_the_first_dotted_number(words: str, version: tuple[int, ...]) -> None:
    assert parse_version(words) == version


def test_routes_are_destinations_without_the_default() -> None:
    words = '[{"dst":"default","gateway":"192.0.2.1"},{"dst":"192.0.2.0/24"},{"dst":"10.1.2.3"}]'
    assert parse_routes(words) == (IPv4Network("192.0.2.0/24"), IPv4Network("10.1.2.3/32"))


def test_no_words_are_no_routes() -> None:
    assert parse_routes("") == ()


def test_a_package_counts_as_missing_unless_it_is_fully_installed() -> None:
    installed = "".join(f"{name} ii \n" for name in REQUIRED if name != "runc")
    assert parse_missing(installed) == ["runc"]
    assert parse_missing(f"{installed}runc rc \n") == ["runc"]
    assert parse_missing(f"{installed}runc ii \n") == []


def test_every_package_is_missing_where_none_is_known() -> None:
    assert parse_missing("") == list(REQUIRED)
