"""Turn the Pydantic models into CustomResourceDefinitions.

Pydantic's JSON Schema is not structural in Kubernetes' sense; this module is the small difference: references
inlined, titles and nulls dropped, CEL rules and printer columns added. ``make generate`` runs it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from moorage_crds import GROUP, VERSION
from moorage_crds.modeldeployment import ModelDeployment
from moorage_crds.tenant import Tenant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RESOURCES: tuple[type[Tenant | ModelDeployment], ...] = (Tenant, ModelDeployment)

_DROPPED = ("title", "$defs", "discriminator", "default")


def structural(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return ``schema`` as a structural schema: no references, titles, nulls or closed objects.

    An absent field is how Kubernetes says null, and pruning or strict validation is how it closes an object.
    """
    schema = _without_reference(schema, definitions)
    schema = _without_null(schema, definitions)
    default = schema.get("default")
    result = {key: value for key, value in schema.items() if key not in _DROPPED}
    if default is not None:
        result["default"] = _minimal(default, schema)
    if "const" in result:
        result["enum"] = [result.pop("const")]
    if "properties" in result:
        result["properties"] = {key: structural(value, definitions) for key, value in result["properties"].items()}
        result.pop("additionalProperties", None)
    if isinstance(result.get("items"), dict):
        result["items"] = structural(result["items"], definitions)
    if isinstance(result.get("additionalProperties"), dict):
        result["additionalProperties"] = structural(result["additionalProperties"], definitions)
    return _one_line_description(result)


def _without_reference(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    target: dict[str, Any] = definitions[schema["$ref"].rsplit("/", 1)[-1]]
    siblings = {key: value for key, value in schema.items() if key != "$ref"}
    return target | siblings


def _without_null(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    if "anyOf" not in schema:
        return schema
    [branch] = [one for one in schema["anyOf"] if one.get("type") != "null"]
    siblings = {key: value for key, value in schema.items() if key != "anyOf"}
    return _without_reference(branch, definitions) | siblings


def _minimal(default: Any, schema: dict[str, Any]) -> Any:
    """Return an object's default as ``{}``: its own fields carry theirs, and a second copy could differ."""
    return {} if schema.get("type") == "object" and isinstance(default, dict) else default


def _one_line_description(schema: dict[str, Any]) -> dict[str, Any]:
    if "description" in schema:
        schema["description"] = " ".join(schema["description"].replace("``", "`").split())
    return schema


def definition(resource: type[Tenant | ModelDeployment]) -> dict[str, Any]:
    """Return the CustomResourceDefinition of one resource."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{resource.PLURAL}.{GROUP}",
            # Deleting a CRD deletes every object of it: an uninstall must not.
            "annotations": {"helm.sh/resource-policy": "keep"},
        },
        "spec": {
            "group": GROUP,
            "scope": resource.SCOPE,
            "names": {
                "kind": resource.KIND,
                "listKind": f"{resource.KIND}List",
                "plural": resource.PLURAL,
                "singular": resource.KIND.lower(),
                "shortNames": [resource.SHORT_NAME],
                "categories": ["moorage"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        {"name": name, "type": kind, "jsonPath": path} for name, kind, path in resource.COLUMNS
                    ],
                    "schema": {"openAPIV3Schema": _root(resource)},
                }
            ],
        },
    }


def _root(resource: type[Tenant | ModelDeployment]) -> dict[str, Any]:
    raw = resource.model_json_schema(by_alias=True)
    schema = structural(raw, raw.get("$defs", {}))
    kubernetes = {key: {"type": "string"} for key in ("apiVersion", "kind")} | {"metadata": {"type": "object"}}
    schema["properties"] = kubernetes | schema["properties"]
    schema["x-kubernetes-validations"] = [{"rule": rule, "message": message} for rule, message in resource.RULES]
    return schema


def to_yaml(document: dict[str, Any]) -> str:
    """Return a document as block YAML with JSON scalars, so that the package needs no YAML library."""
    return "\n".join(_lines(document, 0)) + "\n"


def _lines(value: Any, depth: int) -> Iterator[str]:
    pad = "  " * depth
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _entry(f"{pad}{json.dumps(key) if _needs_quotes(key) else key}:", inner, depth + 1)
    else:
        for inner in value:
            yield from _item(pad, inner, depth + 1)


def _entry(head: str, value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, dict | list) and value:
        yield head
        yield from _lines(value, depth)
    else:
        yield f"{head} {json.dumps(value, ensure_ascii=False)}"


def _item(pad: str, value: Any, depth: int) -> Iterator[str]:
    if not (isinstance(value, dict) and value):
        yield f"{pad}- {json.dumps(value, ensure_ascii=False)}"
        return
    first, *rest = _lines(value, depth)
    yield f"{pad}- {first.lstrip()}"
    yield from rest


def _needs_quotes(key: str) -> bool:
    return not key.replace("-", "").replace("_", "").replace("/", "").replace(".", "").isalnum()


HEADER = "# Generated by `make generate` from crds/moorage_crds; do not edit.\n"


def write(folder: Path) -> list[Path]:
    """Write every definition into ``folder`` and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for resource in RESOURCES:
        file = folder / f"{resource.PLURAL}.yaml"
        file.write_text(HEADER + to_yaml(definition(resource)))
        files.append(file)
    return files
