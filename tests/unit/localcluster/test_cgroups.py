"""Control groups are made in every hierarchy and removed from all, on a folder that looks like one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from localcluster import cgroups

if TYPE_CHECKING:
    from pathlib import Path

NAME = "/moorage-test"


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    for controller in ("cpuset", "memory"):
        (tmp_path / controller).mkdir()
    (tmp_path / "cpu").symlink_to("memory")
    return tmp_path


@pytest.fixture
def version_2(tmp_path: Path) -> Path:
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    return tmp_path


def test_version_1_has_one_hierarchy_per_controller(version_1: Path) -> None:
    assert [one.name for one in cgroups.hierarchies(version_1)] == ["cpuset", "memory"]


def test_version_2_has_one_hierarchy(version_2: Path) -> None:
    assert cgroups.hierarchies(version_2) == [version_2]


@pytest.mark.parametrize("root", ["version_1", "version_2"])
def test_groups_are_made_in_every_hierarchy_and_removed_with_all_below(
    root: str, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(root)
    cgroups.create(NAME, folder)
    cgroups.create(NAME, folder)
    groups = cgroups.remaining(NAME, folder)
    assert len(groups) == len(cgroups.hierarchies(folder))
    for group in groups:
        (group / "kubepods" / "pod1" / "container").mkdir(parents=True)
    cgroups.remove(NAME, folder)
    assert cgroups.remaining(NAME, folder) == []


def test_removing_leaves_other_groups_alone(version_1: Path) -> None:
    cgroups.create("/moorage-local", version_1)
    cgroups.create(NAME, version_1)
    cgroups.remove(NAME, version_1)
    assert len(cgroups.remaining("/moorage-local", version_1)) == 2


def test_removing_what_is_not_there_is_fine(version_1: Path) -> None:
    cgroups.remove(NAME, version_1)
