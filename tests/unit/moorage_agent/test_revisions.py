from __future__ import annotations

from typing import Any

import pytest

from moorage_agent.errors import FetchError
from moorage_agent.revisions import parse
from moorage_crds import labels
from tests.unit.moorage_agent.build import controller_revision, revision, snapshot


def test_a_wanted_controller_revision_is_read() -> None:
    found = parse(controller_revision("sentiment", version="7"))
    assert found is not None
    assert (found.model, found.version, found.intent) == ("sentiment", "uid-sentiment/7", labels.WANTED)
    assert found.triton_name == f"sentiment--{found.hash}"
    assert found.snapshot()["model"] == "sentiment"


@pytest.mark.parametrize("intent", [None, labels.DRAINING])
def test_files_of_what_is_not_wanted_are_not_kept_in_memory(intent: str | None) -> None:
    found = parse(controller_revision(intent=intent))
    assert found is not None
    assert found.data is None


def test_an_unknown_intent_is_history() -> None:
    found = parse(controller_revision(intent="Maybe"))
    assert found is not None
    assert found.intent is None


def test_promotion_is_read_from_the_annotation() -> None:
    manifest = controller_revision()
    manifest["metadata"]["annotations"][labels.PROMOTED_AT] = "2026-01-01T00:00:00Z"
    found = parse(manifest)
    assert found is not None
    assert found.promoted


def test_the_secret_of_its_source_is_read_from_the_annotation() -> None:
    manifest = controller_revision()
    manifest["metadata"]["annotations"][labels.CREDENTIALS_FROM] = "mine"
    found = parse(manifest)
    assert found is not None
    assert found.credentials == "mine"


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("", "a-0a1b2c3d"),
        ("a", "b-0a1b2c3d"),
        ("a", "a-0A1B2C3D"),
        ("a", "a-0a1b2c3d4"),
        ("..", "..-0a1b2c3d"),
        ("a--b", "a--b-0a1b2c3d"),
        ("a" * 55, f"{'a' * 55}-0a1b2c3d"),
    ],
)
def test_what_is_not_exactly_a_derived_name_is_ignored(model: str, name: str) -> None:
    manifest = controller_revision()
    manifest["metadata"] |= {"name": name, "labels": {labels.MODEL: model}}
    assert parse(manifest) is None


def test_a_statefulsets_own_revision_is_ignored() -> None:
    manifest = controller_revision()
    manifest["metadata"] |= {"name": "weaviate-6d5f", "labels": {}, "annotations": {}}
    assert parse(manifest) is None


def test_data_that_do_not_hash_to_the_name_are_refused() -> None:
    changed: dict[str, Any] = snapshot(files={"1/model.py": "import os\n"})
    manifest = controller_revision() | {"data": changed}
    found = parse(manifest)
    assert found is not None
    with pytest.raises(FetchError, match="do not hash to"):
        found.snapshot()


def test_a_revision_without_data_has_no_snapshot() -> None:
    with pytest.raises(FetchError):
        parse_without_data().snapshot()


def parse_without_data() -> Any:
    manifest = controller_revision()
    del manifest["data"]
    return parse(manifest) or revision()


def test_a_revision_knows_what_it_calls_and_ignores_what_is_no_name() -> None:
    data = snapshot(dependencies={"b": "0a1b2c3d", "../c": "0a1b2c3d", "d": "../../x"})
    found = parse(controller_revision("a", data, intent=None))
    assert found is not None
    assert found.called == {"b": "b--0a1b2c3d"}
