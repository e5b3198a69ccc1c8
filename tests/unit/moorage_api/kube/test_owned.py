"""What we own of an object is read from its managed fields."""

from __future__ import annotations

from typing import Any

import pytest

from moorage_api.kube import owned
from moorage_crds import names

SPEC = {
    "backend": "python",
    "source": {"inline": {"files": {"1/model.py": "x", "2/model.py": "y"}}},
    "config": {"inputs": [{"name": "A"}], "maxBatchSize": 4},
    "rollout": {"pin": "0" * 8},
}


def entry(fields: dict[str, Any], manager: str = names.API_FIELD_MANAGER, **more: str) -> dict[str, Any]:
    return {"manager": manager, "operation": "Apply", "fieldsV1": {"f:spec": fields}, **more}


def manifest(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"managedFields": list(entries)}, "spec": SPEC}


CASES = {
    "nothing": (manifest(), {}),
    "another manager's": (manifest(entry({"f:backend": {}}, "flux")), {}),
    "a field": (manifest(entry({"f:backend": {}})), {"backend": "python"}),
    "a nested field": (manifest(entry({"f:config": {"f:maxBatchSize": {}}})), {"config": {"maxBatchSize": 4}}),
    "a key of a map": (
        manifest(entry({"f:source": {"f:inline": {"f:files": {".": {}, "f:1/model.py": {}}}}})),
        {"source": {"inline": {"files": {"1/model.py": "x"}}}},
    ),
    "a whole list": (manifest(entry({"f:config": {"f:inputs": {}}})), {"config": {"inputs": [{"name": "A"}]}}),
    "a field that has gone": (manifest(entry({"f:gone": {}, "f:backend": {}})), {"backend": "python"}),
    "a status": (manifest(entry({"f:backend": {}}, subresource="status")), {}),
    "an update": (manifest({**entry({"f:backend": {}}), "operation": "Update"}), {}),
    "ours among others": (
        manifest(entry({"f:rollout": {"f:pin": {}}}, "kubectl"), entry({"f:backend": {}})),
        {"backend": "python"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_our_part_of_a_spec_is(case: str) -> None:
    found, expected = CASES[case]
    assert owned.spec(found) == expected


def test_other_managers_of_a_field_are_named() -> None:
    pinned: dict[str, Any] = {"f:rollout": {"f:pin": {}}}
    found = manifest(entry(pinned), entry(pinned, "kubectl"), entry({"f:backend": {}}, "flux"))
    assert owned.other_managers(found, "spec", "rollout", "pin") == ["kubectl"]
    assert owned.other_managers(found, "spec", "rollout", "decision") == []
