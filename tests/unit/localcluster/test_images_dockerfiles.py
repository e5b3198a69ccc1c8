"""Rules that every Dockerfile keeps, whoever builds it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from localcluster.images import NAMES

FOLDER = Path(__file__).parents[3] / "deploy" / "docker"
PYTHON_PROGRAMS = ("operator", "agent", "api")


def violations(text: str) -> list[str]:
    """Return what is wrong with a Dockerfile, in words."""
    code = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    stages = re.findall(r"^FROM (\S+)", code, re.MULTILINE)
    users = re.findall(r"^USER (.+)$", code, re.MULTILINE)
    last_copy = max((match.start() for match in re.finditer(r"^(?:COPY|RUN) ", code, re.MULTILINE)), default=0)
    rules = {
        "no pinned default base": re.search(r"^ARG BASE=[\w.-]+:\d[\w.-]*$", code, re.MULTILINE) is None,
        "a stage not from BASE or scratch": not set(stages) <= {"${BASE}", "scratch"},
        "runs as another user than 65532": users != ["65532:65532"],
        "root again after USER": "USER" in code and code.rindex("USER") < last_copy,
        "ADD, which fetches and unpacks": re.search(r"^ADD ", code, re.MULTILINE) is not None,
        "names a host": re.search(r"://|\bindex-url\b|\btrusted-host\b", text) is not None,
        "fetches outside the lock": re.search(r"\b(curl|wget|apt-get|git clone)\b", code) is not None,
        "pip without hashes": any("--require-hashes" not in line for line in pip_lines(code)),
        "pip keeps a cache": any("--no-cache-dir" not in line for line in pip_lines(code)),
        "a shell as program": re.search(r"^(ENTRYPOINT|CMD) [^\[]", code, re.MULTILINE) is not None,
    }
    return [rule for rule, broken in rules.items() if broken]


def pip_lines(code: str) -> list[str]:
    return [part for line in code.splitlines() for part in line.split("&&") if re.search(r"\bpip .*\binstall\b", part)]


@pytest.mark.parametrize("name", NAMES)
def test_dockerfile_keeps_the_rules(name: str) -> None:
    assert violations((FOLDER / f"{name}.Dockerfile").read_text()) == []


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("FROM debian:12", "a stage not from BASE or scratch"),
        ("USER root", "runs as another user than 65532"),
        ("RUN true", "root again after USER"),
        ("ADD thing /thing", "ADD, which fetches and unpacks"),
        ("ENV URL=https://example.org", "names a host"),
        ("RUN curl example.org", "fetches outside the lock"),
        ("RUN pip install --no-cache-dir thing", "pip without hashes"),
        ("RUN pip \\\n install --require-hashes -r lock", "pip keeps a cache"),
        ("CMD tritonserver", "a shell as program"),
    ],
)
def test_a_broken_rule_is_seen(line: str, rule: str) -> None:
    good = "ARG BASE=python:3.11-slim-bookworm\nFROM ${BASE}\nCOPY a b\nUSER 65532:65532\n"
    assert violations(good) == []
    assert rule in violations(good + line + "\n")


def test_a_base_without_a_version_is_seen() -> None:
    assert "no pinned default base" in violations("ARG BASE=python\nFROM ${BASE}\nUSER 65532:65532\n")


def test_every_dockerfile_has_an_image_and_is_linted() -> None:
    assert {path.name.removesuffix(".Dockerfile") for path in FOLDER.glob("*Dockerfile*")} == set(NAMES)


@pytest.mark.parametrize("name", PYTHON_PROGRAMS)
def test_locked_code_comes_before_ours(name: str) -> None:
    text = (FOLDER / f"{name}.Dockerfile").read_text()
    assert text.index("--require-hashes") < text.index(f"COPY {name}/moorage_{name}")


@pytest.mark.parametrize("name", PYTHON_PROGRAMS)
def test_only_the_packages_a_program_may_import_are_copied(name: str) -> None:
    text = (FOLDER / f"{name}.Dockerfile").read_text()
    allowed = {f"moorage_{name}", "moorage_crds"} | ({"moorage_templates"} if name == "operator" else set())
    assert set(re.findall(r"^COPY \w+/(moorage_\w+)", text, re.MULTILINE)) == allowed
