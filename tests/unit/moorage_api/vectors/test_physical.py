"""Names inside the store: derived, stable, and apart wherever two tenants or collections differ."""

from __future__ import annotations

from moorage_api.vectors import physical


def test_names_are_for_ever() -> None:
    # Changing one of these loses every object that was stored under it.
    assert physical.collection("uid-1", "docs") == "M5766a34c4a67d74a85a13c4154d79c40"
    assert str(physical.object_id("uid-1", "docs", "a")) == "42378859-0566-5c07-99e6-a3921831bd8b"


def test_every_part_counts() -> None:
    collections = [physical.collection(*pair) for pair in (("a", "bc"), ("ab", "c"), ("abc", "d"), ("a", "b"))]
    ids = [
        physical.object_id(*each)
        for each in (("a", "b", "c"), ("a", "b", "C"), ("a", "bc", ""), ("ab", "c", "c"), ("b", "b", "c"))
    ]
    assert len(set(collections)) == len(collections)
    assert len(set(ids)) == len(ids)


def test_a_public_name_cannot_choose_the_physical_one() -> None:
    assert physical.collection("uid-1", "M" + "0" * 32).startswith("M")
    assert physical.collection("uid-1", "M" + "0" * 32) != "M" + "0" * 32
