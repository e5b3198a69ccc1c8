from typing import Any

import pytest

from moorage_operator.reconcile import fieldset
from moorage_operator.reconcile.fieldset import FieldSet

WHOLE = FieldSet()

NOTATIONS: list[tuple[dict[str, Any], FieldSet]] = [
    ({}, WHOLE),
    ({".": {}}, WHOLE),
    ({"f:a": {}, "f:b": {".": {}, "f:c": {}}},
     FieldSet({"a": WHOLE, "b": FieldSet({"c": WHOLE}, is_whole=False)}, is_whole=False)),
    ({'v:"x"': {}, "v:2": {}}, FieldSet({}, {"x": WHOLE, 2: WHOLE}, is_whole=False)),
    ({'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:name": {}}},
     FieldSet({}, {(80, "TCP"): FieldSet({"name": WHOLE}, is_whole=False)}, ("port", "protocol"), is_whole=False)),
    ({'k:{"port":80}': {}, 'k:{"port":80,"protocol":"TCP"}': {}},
     FieldSet({}, {(80, None): WHOLE, (80, "TCP"): WHOLE}, ("port", "protocol"), is_whole=False)),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "expected"), NOTATIONS, ids=lambda one: str(one)[:40])
def test_a_notation_is_read(fields: dict[str, Any], expected: FieldSet) -> None:
    assert fieldset.read(fields) == expected


def test_the_same_notation_is_read_once() -> None:
    fields: dict[str, Any] = {"f:a": {}}
    assert fieldset.read(fields) is fieldset.read(fields)


def test_many_notations_are_told_apart_although_few_are_remembered() -> None:
    for number in range(5000):
        assert list(fieldset.read({f"f:{number}": {}}).fields) == [str(number)]
