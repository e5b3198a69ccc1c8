"""The folders keep their promises: a package root per folder, and no folder that would hide a standard module."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def _tracked() -> list[Path]:
    out = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / line for line in out.stdout.splitlines()]


def test_no_package_is_named_like_a_standard_module() -> None:
    packages = [file.parent for file in _tracked() if file.name == "__init__.py"]
    assert packages
    assert [one for one in packages if one.name in sys.stdlib_module_names] == []


def test_tests_hold_no_package() -> None:
    assert [one for one in _tracked() if one.name == "__init__.py" and one.is_relative_to(ROOT / "tests")] == []


@pytest.mark.parametrize("folder", ["operator", "agent", "api", "crds", "templates"])
def test_each_source_root_holds_one_package_of_its_name(folder: str) -> None:
    packages = {file.parent.name for file in (ROOT / folder).glob("*/__init__.py")}
    assert packages == {f"moorage_{folder}"}


def test_the_wheel_holds_every_source_root() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert sorted(packages) == sorted(
        f"{one}/moorage_{one}" for one in ("operator", "agent", "api", "crds", "templates")
    )


def test_every_module_says_what_it_is() -> None:
    sources = [one for one in _tracked() if one.suffix == ".py" and not one.is_relative_to(ROOT / "tests")]
    silent = [one for one in sources if one.read_text() and not one.read_text().lstrip().startswith(('"""', "#!"))]
    assert silent == []
