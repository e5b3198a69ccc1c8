from typing import Any

import pytest

from moorage_crds import names
from moorage_operator.reconcile import owned
from tests.unit.moorage_operator.reconcile import fields


def observed(applied: dict[str, Any], live: dict[str, Any] | None = None, **entry: Any) -> dict[str, Any]:
    recorded = {"manager": names.FIELD_MANAGER, "operation": "Apply", "fieldsV1": fields.owned(applied)} | entry
    return {**(applied if live is None else live), "metadata": {"managedFields": [recorded]}}


def of(value: Any, name: str = "field") -> dict[str, Any]:
    return {"spec": {name: value}}


CASES: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any], bool]] = [
    ("equal", of(1), of(1), of(1), True),
    ("other value", of(1), of(1), of(2), False),
    ("value gone", of(1), of(1), {"spec": {}}, False),
    ("zero value not stored", of(False), of(False), {"spec": {}}, True),
    ("new field", of(1) | {"other": 1}, of(1), of(1) | {"other": 1}, False),
    ("field no longer wanted", of(1), {"spec": {"field": 1, "old": 2}}, {"spec": {"field": 1, "old": 2}}, False),
    ("defaults of others", of(1), of(1), {"spec": {"field": 1, "dnsPolicy": "ClusterFirst"}}, True),
    ("quantity", of({"cpu": "1000m"}, "limits"), of({"cpu": "1000m"}, "limits"), of({"cpu": "1"}, "limits"), True),
    ("other quantity", of({"cpu": "1"}, "limits"), of({"cpu": "1"}, "limits"), of({"cpu": "2"}, "limits"), False),
    ("quantity in a whole list", of([{"default": {"memory": "1024Mi"}}]), of([{"default": {"memory": "1024Mi"}}]),
     of([{"default": {"memory": "1Gi"}}]), True),
    ("amounts elsewhere are text", of("1000m"), of("1000m"), of("1"), False),
    ("whole list longer", of([1]), of([1]), of([1, 2]), False),
    ("whole map larger", of({"a": 1}, "selector"), of({"a": 1}, "selector"), of({"a": 1, "b": 2}, "selector"), False),
    ("empty map filled by others", of({}), of({}), of({"x": 1}), True),
    ("nested empty map in a whole list", of([{"podSelector": {}}]), of([{"podSelector": {}}]),
     of([{"podSelector": {"matchLabels": {"a": "b"}}}]), False),
    ("item of others in a keyed list", of([{"name": "a"}], "env"), of([{"name": "a"}], "env"),
     of([{"name": "a"}, {"name": "b"}], "env"), True),
    ("item no longer wanted", of([{"name": "a"}], "env"), of([{"name": "a"}, {"name": "b"}], "env"),
     of([{"name": "a"}, {"name": "b"}], "env"), False),
    ("new item", of([{"name": "a"}, {"name": "b"}], "env"), of([{"name": "a"}], "env"),
     of([{"name": "a"}, {"name": "b"}], "env"), False),
    ("item deleted", of([{"name": "a"}], "env"), of([{"name": "a"}], "env"), of([], "env"), False),
    ("other type", of(1), of(1), {"spec": "text"}, False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("desired", "applied", "live", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_is_current(desired: dict[str, Any], applied: dict[str, Any], live: dict[str, Any], expected: bool) -> None:
    assert owned.is_current(desired, observed(applied, live)) is expected


@pytest.mark.parametrize("entry", [{"manager": "kubectl"}, {"operation": "Update"}, {"subresource": "status"}], ids=str)
def test_only_our_own_applies_of_the_same_part_count(entry: dict[str, Any]) -> None:
    assert not owned.is_current(of(1), observed(of(1), **entry))


def test_values_of_a_set_are_compared_one_by_one() -> None:
    recorded: dict[str, Any] = {"f:metadata": {"f:finalizers": {'v:"a"': {}}}}
    live = observed({}, {"metadata": {}}, fieldsV1=recorded)
    live["metadata"]["finalizers"] = ["b", "a"]
    assert owned.is_current({"metadata": {"finalizers": ["a"]}}, live)
    assert not owned.is_current({"metadata": {"finalizers": ["c"]}}, live)
