"""A program's failure becomes an error in the program's own words, and its kubeconfig is the one that was given."""

from pathlib import Path

import pytest

from mainjob.kubectl import CommandError, Kubectl


def _program(folder: Path, text: str) -> str:
    file = folder / "program"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return str(file)


def test_a_failure_speaks_in_the_programs_words(tmp_path: Path) -> None:
    kubectl = Kubectl(_program(tmp_path, "echo no such thing >&2; exit 3"), "helm", None)
    with pytest.raises(CommandError, match="no such thing"):
        kubectl.run("get", "nothing")


def test_output_is_returned_and_the_kubeconfig_is_set(tmp_path: Path) -> None:
    kubectl = Kubectl(_program(tmp_path, 'echo "$KUBECONFIG $1"'), "helm", tmp_path / "config")
    assert kubectl.run("version") == f"{tmp_path}/config version\n"


def test_an_object_is_parsed(tmp_path: Path) -> None:
    kubectl = Kubectl(_program(tmp_path, """echo '{"kind": "Tenant"}'"""), "helm", None)
    assert kubectl.get("tenant", "acme") == {"kind": "Tenant"}


def test_standard_input_is_handed_over(tmp_path: Path) -> None:
    assert Kubectl(_program(tmp_path, "cat"), "helm", None).run("apply", stdin="a: 1") == "a: 1"
