"""Rules every template keeps, so that reading one is enough to know what it can do."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from jinja2 import Environment, meta

import moorage_templates
from moorage_templates import (
    AutoscalerContext,
    BindingContext,
    CredentialsContext,
    MemberContext,
    NamespaceContext,
    ReplicatedWeaviateContext,
    SourcesContext,
    TenantContext,
    TritonContext,
    WeaviateContext,
)

ROOT = Path(moorage_templates.__file__).parent
TEMPLATES = sorted(ROOT.glob("*/*.j2"))

CONTEXTS = {
    "autoscaler": AutoscalerContext,
    "binding": BindingContext,
    "credentials": CredentialsContext,
    "member": MemberContext,
    "sources": SourcesContext,
    "namespace": NamespaceContext,
    "tenant": TenantContext,
    "triton": TritonContext,
    "weaviate": WeaviateContext,
    "weaviate-replicated": ReplicatedWeaviateContext,
}

WHOLE_VALUE = re.compile(r"^\s*(- )?([\w./-]+: )?\{\{ [\w.]+ \}\}$")
STATEMENT = re.compile(r"^\{% (if [\w.]+|endif|for \w+ in [\w.]+|endfor) %\}$")


def is_clean(line: str) -> bool:
    """Return whether every expression of a line is its whole value, and every statement plain."""
    if "{%" in line:
        return bool(STATEMENT.match(line))
    return "{{" not in line or bool(WHOLE_VALUE.match(line))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("name: {{ name }}", True),
        ("  - {{ argument }}", True),
        ("  - name: {{ fence.api_pods }}", True),
        ("name: {{ name }}-triton", False),
        ("url: http://{{ host }}/", False),
        ('name: "{{ name }}"', False),
        ("{{ key }}: value", False),
        ("name: {{ name | upper }}", False),
        ("port: {{ port + 1 }}", False),
        ("{% set x = 1 %}", False),
        ("{% for block in blocks %}", True),
    ],
)
def test_the_rule_tells_good_lines_from_bad(line: str, expected: bool) -> None:
    assert is_clean(line) is expected


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_expression_is_the_whole_value_of_its_line(path: Path) -> None:
    assert [line for line in path.read_text().splitlines() if not is_clean(line)] == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_file_holds_one_object_and_is_named_for_its_kind(path: Path) -> None:
    text = path.read_text()
    (kind,) = re.findall(r"^kind: (\w+)$", text, flags=re.MULTILINE)
    assert path.name.removesuffix(".yaml.j2").split("-")[0] == kind.lower()
    assert "---" not in text


@pytest.mark.parametrize("folder", CONTEXTS)
def test_a_context_holds_exactly_what_its_folder_uses(folder: str) -> None:
    used = {
        name
        for path in (ROOT / folder).glob("*.j2")
        for name in meta.find_undeclared_variables(Environment().parse(path.read_text()))  # noqa: S701, parses only
    }
    assert used == {field.name for field in fields(CONTEXTS[folder])}


def test_every_folder_has_its_context() -> None:
    assert {path.parent.name for path in TEMPLATES} == CONTEXTS.keys()
