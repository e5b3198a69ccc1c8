"""Every field of a Tenant has an owner, and the table of owners has no row for nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from moorage_crds.owners import OWNERS, owner_of
from moorage_crds.tenant import TenantSpec
from tests.support.tenant_fields import BESIDE, VALUES, leaves, spec_with

PAGE = Path(__file__).resolve().parents[3] / "docs/tenant.md"


def is_below(path: str, row: str) -> bool:
    return path == row or path.startswith(f"{row}.")


@pytest.mark.parametrize("path", [*leaves()])
def test_a_field_is_named_by_exactly_one_row(path: str) -> None:
    assert len([row for row in OWNERS if is_below(path, row)]) == 1


@pytest.mark.parametrize("row", OWNERS)
def test_a_row_names_a_field(row: str) -> None:
    assert any(is_below(path, row) for path in leaves())


@pytest.mark.parametrize(
    ("path", "expected"),
    [("quota.cpu", "platform"), ("displayName", "tenant"), ("inference.resources.limits.cpu", "tenant")],
)
def test_a_row_holds_for_everything_below_it(path: str, expected: str) -> None:
    assert owner_of(path) == expected


def test_a_field_that_nobody_named_is_the_platforms() -> None:
    assert owner_of("inference") == "platform"


def test_the_page_repeats_the_table() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| (platform|tenant) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == list(OWNERS.items())


def test_every_field_has_values_that_tests_can_set() -> None:
    assert sorted(VALUES) == sorted(leaves())


@pytest.mark.parametrize("path", VALUES)
def test_the_values_are_valid_and_not_the_default(path: str) -> None:
    default = TenantSpec().manifest()
    for value in VALUES[path]:
        assert TenantSpec.model_validate(spec_with(path, value, BESIDE.get(path))).manifest() != default
