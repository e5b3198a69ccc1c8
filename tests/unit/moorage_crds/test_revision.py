"""A revision's hash depends on what decides the bytes, and on nothing else."""

from typing import Any

import pytest

from moorage_crds import modeldeployment, revision

_SPEC: dict[str, Any] = {"source": {"inline": {"files": {"1/model.py": "x"}}}, "backend": "python"}


def _hash(tenant_id: str = "uid", model: str = "m", **changes: Any) -> str:
    spec = modeldeployment.parse_spec({"spec": _SPEC | changes})
    return revision.hash8(revision.snapshot(tenant_id, model, spec))


def test_the_hash_of_a_known_snapshot_never_changes() -> None:
    """A changed value here would make every model of every installation load anew on upgrade."""
    assert _hash() == "936e1ef3"


@pytest.mark.parametrize(
    "other",
    [
        _hash(tenant_id="other"),
        _hash(model="other"),
        _hash(backend="onnxruntime"),
        _hash(config={"maxBatchSize": 8}),
        _hash(source={"inline": {"files": {"1/model.py": "y"}}}),
        _hash(source={"uri": "https://models.example/m.tar.gz", "sha256": "0" * 64}),
        _hash(source={"uri": "s3://models/m"}),
        _hash(source={"uri": "s3://models/m", "s3": {"region": "eu-central-1"}}),
    ],
)
def test_what_decides_the_bytes_decides_the_hash(other: str) -> None:
    assert other != _hash()


def test_the_secret_of_a_source_does_not() -> None:
    source = {"uri": "https://models.example/m.tar.gz", "sha256": "0" * 64}
    assert _hash(source=source | {"credentialsSecretRef": {"name": "mine"}}) == _hash(source=source)


@pytest.mark.parametrize("same", [_hash(revisionHistoryLimit=9), _hash(config={"maxBatchSize": 0}), _hash(config={})])
def test_nothing_else_does(same: str) -> None:
    assert same == _hash()


def test_key_order_does_not_matter() -> None:
    assert revision.hash8({"a": 1, "b": "ü"}) == revision.hash8({"b": "ü", "a": 1})
