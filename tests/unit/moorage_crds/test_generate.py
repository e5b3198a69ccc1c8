"""The generated CustomResourceDefinitions are structural, small and current."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from moorage_crds import generate
from moorage_crds.modeldeployment import ModelDeployment
from moorage_crds.tenant import Tenant

ROOT = Path(__file__).resolve().parents[3]
RESOURCES = pytest.mark.parametrize("resource", generate.RESOURCES)


def _nodes(schema: Any) -> list[dict[str, Any]]:
    if isinstance(schema, list):
        return [node for inner in schema for node in _nodes(inner)]
    if not isinstance(schema, dict):
        return []
    return [schema, *(node for inner in schema.values() for node in _nodes(inner))]


def _schema(resource: type[Tenant | ModelDeployment]) -> dict[str, Any]:
    schema: dict[str, Any] = generate.definition(resource)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


@RESOURCES
def test_no_reference_title_or_null_remains(resource: type[Tenant | ModelDeployment]) -> None:
    for node in _nodes(_schema(resource)):
        assert not {"$ref", "$defs", "anyOf"} & node.keys()
        assert node.get("type") != "null"
        assert node.get("additionalProperties") is not False


@RESOURCES
def test_every_field_is_described(resource: type[Tenant | ModelDeployment]) -> None:
    for node in _nodes(_schema(resource)):
        for name, inner in node.get("properties", {}).items():
            if isinstance(inner, dict) and name not in ("apiVersion", "kind", "metadata"):
                assert inner.get("description"), name


@RESOURCES
def test_an_object_defaults_to_the_empty_object(resource: type[Tenant | ModelDeployment]) -> None:
    defaults = [
        node["default"] for node in _nodes(_schema(resource)) if node.get("type") == "object" and "default" in node
    ]
    assert all(one == {} for one in defaults)


@RESOURCES
@pytest.mark.parametrize("folder", ["crds", "charts/moorage/files/crds"])
def test_the_committed_file_is_current(resource: type[Tenant | ModelDeployment], folder: str) -> None:
    text = (ROOT / folder / f"{resource.PLURAL}.yaml").read_text()
    assert text == generate.HEADER + generate.to_yaml(generate.definition(resource))
    assert yaml.safe_load(text) == generate.definition(resource)


@RESOURCES
def test_a_definition_stays_below_100_kilobytes(resource: type[Tenant | ModelDeployment]) -> None:
    assert len(generate.to_yaml(generate.definition(resource))) < 100_000
