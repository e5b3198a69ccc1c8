import json
from pathlib import Path
from typing import Any

import pytest

from moorage_crds import names
from moorage_operator.reconcile import owned
from tests.unit.moorage_operator.reconcile import fields

RECORDED = sorted((Path(__file__).parents[3] / "data/golden/recorded").glob("*.json"))


def read(path: Path) -> dict[str, Any]:
    recorded: dict[str, Any] = json.loads(path.read_text())
    return recorded


def our_fields(recorded: dict[str, Any]) -> dict[str, Any]:
    entries = recorded["observed"]["metadata"]["managedFields"]
    (entry,) = [item for item in entries if item["manager"] == names.FIELD_MANAGER]
    found: dict[str, Any] = entry["fieldsV1"]
    return found


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_an_object_recorded_from_an_api_server_needs_no_write(path: Path) -> None:
    recorded = read(path)
    assert owned.is_current(recorded["applied"], recorded["observed"], recorded["subresource"])


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_the_fake_records_owned_fields_as_an_api_server_does(path: Path) -> None:
    recorded = read(path)
    assert fields.owned(fields.without_identity(recorded["applied"])) == our_fields(recorded)
