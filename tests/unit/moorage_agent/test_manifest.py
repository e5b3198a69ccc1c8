"""The manifest digest: the same for the same files, another for any difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from moorage_agent.sources.manifest import digest

if TYPE_CHECKING:
    from pathlib import Path

FILES = {"1/model.onnx": "onnx", "labels.txt": "cat\n"}


def folder(at: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (at / name).parent.mkdir(parents=True, exist_ok=True)
        (at / name).write_text(text)
    return at


def test_the_digest_of_known_files_never_changes(tmp_path: Path) -> None:
    """A changed value here would make every folder of every installation count as changed on upgrade."""
    expected = "5da7948a477573f1d9af1430e10bffc216a1fd4d9e92b04523114c02e3e6d6c8"
    assert digest(folder(tmp_path, FILES)) == expected


def test_order_and_times_do_not_matter(tmp_path: Path) -> None:
    first, second = folder(tmp_path / "a", FILES), folder(tmp_path / "b", dict(reversed(FILES.items())))
    (second / "empty").mkdir()
    assert digest(first) == digest(second)


@pytest.mark.parametrize(
    "other",
    [
        FILES | {"labels.txt": "dog\n"},
        FILES | {"more.txt": ""},
        {"1/model.onnx": "onnx"},
        {"2/model.onnx": "onnx", "labels.txt": "cat\n"},
    ],
)
def test_any_difference_shows(other: dict[str, str], tmp_path: Path) -> None:
    assert digest(folder(tmp_path / "a", FILES)) != digest(folder(tmp_path / "b", other))
