"""The pages of both resources name every field, condition, label and annotation that exists, and none that does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import TypeAdapter

from moorage_crds import conditions, labels
from moorage_crds.modeldeployment import ModelDeployment
from moorage_crds.schema import Schema
from moorage_crds.tenant import Tenant

DOCS = Path(__file__).resolve().parents[3] / "docs"
ROW = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)
PAGES = [("tenant.md", Tenant), ("modeldeployment.md", ModelDeployment)]


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def parts(annotation: object) -> Iterator[tuple[str, type[Schema]]]:
    """Yield the models inside a field's type, with ``[]`` where the field is a list of them."""
    if isinstance(annotation, type) and issubclass(annotation, Schema):
        yield "", annotation
    is_list = getattr(annotation, "__origin__", None) is list
    for argument in get_args(annotation):
        yield from ((("[]" if is_list else "") + suffix, model) for suffix, model in parts(argument))


def fields(model: type[Schema], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        yield path
        for suffix, inner in parts(field.annotation):
            yield from fields(inner, f"{path}{suffix}.")


@pytest.mark.parametrize(("name", "resource"), PAGES)
def test_a_page_documents_exactly_the_fields_that_the_resource_has(name: str, resource: type[Schema]) -> None:
    documented = [row for row in ROW.findall(page(name)) if row.startswith(("spec.", "status."))]
    assert sorted(documented) == sorted(set(fields(resource)) - {"spec", "status"})


@pytest.mark.parametrize(("name", "resource"), PAGES)
def test_a_scalar_default_stands_in_its_row(name: str, resource: type[Schema]) -> None:
    text = page(name)
    rows = {row: line for line in text.splitlines() for row in ROW.findall(line)}
    for path, default in defaults(resource):
        assert f"| `{written(default)}` |" in rows[path], path


def written(default: object) -> str:
    """Return a default as YAML writes it."""
    return str(default).lower() if isinstance(default, bool) else str(default)


def defaults(model: type[Schema], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield the fields of the spec with a default that is a word or a number."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        if path == "status":
            continue
        if isinstance(field.default, str | int) and field.default != "":
            value = TypeAdapter(type(field.default)).dump_python(field.default)
            yield path, str(value).lower() if isinstance(value, bool) else value
        for suffix, inner in parts(field.annotation):
            yield from defaults(inner, f"{path}{suffix}.")


def test_every_condition_type_is_a_row_where_it_occurs() -> None:
    shared = {conditions.READY, conditions.RECONCILING, conditions.STALLED}
    types = {value for name, value in vars(conditions).items() if name.isupper() and isinstance(value, str)}
    assert types <= set(ROW.findall(page("tenant.md")))
    assert shared <= set(ROW.findall(page("modeldeployment.md")))


def test_every_reason_is_explained_with_what_to_do() -> None:
    _, _, table = page("operations.md").partition("## Troubleshooting")
    lines = {row: line for line in table.splitlines() for row in ROW.findall(line)}
    assert set(lines) == set(conditions.REASONS)
    for reason, line in lines.items():
        assert conditions.REASONS[reason] in line.replace("`", ""), reason
        assert len([cell for cell in line.strip("|").split("|") if cell.strip()]) == 3, reason


def test_every_label_and_annotation_is_a_row() -> None:
    keys = {value for name, value in vars(labels).items() if name.isupper() and "/" in str(value)}
    assert keys <= {*ROW.findall(page("tenant.md")), *ROW.findall(page("modeldeployment.md"))}
