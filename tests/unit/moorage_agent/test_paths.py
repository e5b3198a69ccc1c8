from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from moorage_agent.sources.paths import safe_path
from moorage_crds.errors import UnsafePathError


@pytest.mark.parametrize(
    ("name", "expected"), [("1/model.py", "1/model.py"), ("./1//model.py", "1/model.py"), ("a/", "a"), ("./", ".")]
)
def test_a_path_inside_is_normalised(name: str, expected: str) -> None:
    assert safe_path(name) == PurePosixPath(expected)


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a/..",
        "..",
        "a\\..\\x",
        "a\0b",
        "a\nb",
        "/".join("a" * 33),
        "x" * 256,
        "ü" * 128,
    ],
)
def test_a_path_that_leaves_or_is_no_plain_path_is_refused(name: str) -> None:
    with pytest.raises(UnsafePathError):
        safe_path(name)
