from decimal import Decimal

import pytest

from moorage_operator.reconcile import quantities


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("1000m", "1", True),
        ("1024Mi", "1Gi", True),
        ("1.5Gi", "1536Mi", True),
        ("1e3", "1k", True),
        ("500m", "0.5", True),
        (21, "21", True),
        ("1G", "1Gi", False),
        ("1", "2", False),
        ("none", "none", False),
    ],
)
def test_quantities_are_compared_as_amounts(one: object, other: object, expected: bool) -> None:
    assert quantities.are_equal(one, other) is expected


@pytest.mark.parametrize(("amount", "text"), [("8", "8"), ("8.1", "8100m"), ("0.0001", "1m"), ("0", "0")])
def test_cores_are_written_whole_or_in_millicores_rounded_up(amount: str, text: str) -> None:
    assert quantities.as_cores(Decimal(amount)) == text


@pytest.mark.parametrize(("amount", "text"), [(2**34, "16Gi"), (2**30 + 2**20, "1025Mi"), (1000, "1000"), (0, "0")])
def test_bytes_are_written_under_the_largest_unit(amount: int, text: str) -> None:
    assert quantities.as_bytes(Decimal(amount)) == text


def test_what_is_no_quantity_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match="'much'"):
        quantities.parse("much")
