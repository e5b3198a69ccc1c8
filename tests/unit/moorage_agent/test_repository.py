from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from moorage_agent.repository import OnDisk, Repository

if TYPE_CHECKING:
    from pathlib import Path

N = "a--0a1b2c3d"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path, limit=1 << 20)
    made.open()
    return made


def stage(repository: Repository, text: str = "x") -> None:
    folder = repository.begin(N)
    (folder / "1").mkdir()
    (folder / "1" / "model.py").write_text(text)
    repository.complete(N)


def test_a_half_written_revision_is_nowhere(repository: Repository) -> None:
    repository.begin(N)
    assert repository.on_disk() == OnDisk()


def test_a_complete_revision_is_staged_and_out_of_tritons_sight(repository: Repository, tmp_path: Path) -> None:
    stage(repository)
    assert repository.on_disk() == OnDisk(staged=frozenset({N}))
    assert list((tmp_path / "repository").iterdir()) == []


def test_a_revision_is_placed_and_withdrawn_whole(repository: Repository, tmp_path: Path) -> None:
    stage(repository)
    repository.place(N)
    assert repository.on_disk() == OnDisk(placed=frozenset({N}))
    assert (tmp_path / "repository" / N / "1" / "model.py").read_text() == "x"
    repository.withdraw(N)
    assert repository.on_disk() == OnDisk(staged=frozenset({N}))


def test_beginning_again_starts_empty(repository: Repository) -> None:
    (repository.begin(N) / "left").write_text("x")
    assert list(repository.begin(N).iterdir()) == []


def test_what_a_killed_run_left_half_written_is_removed_and_the_rest_kept(tmp_path: Path) -> None:
    first = Repository(tmp_path, limit=1 << 20)
    first.open()
    stage(first)
    first.place(N)
    (first.begin("b--00000000") / "half").write_text("x")
    (tmp_path / "staging" / "b--00000000.partial.download").write_text("x")
    again = Repository(tmp_path, limit=1 << 20)
    again.open()
    assert list((tmp_path / "staging").iterdir()) == []
    assert again.on_disk() == OnDisk(placed=frozenset({N}))


def test_deleting_removes_a_revision_wherever_it_is(repository: Repository, tmp_path: Path) -> None:
    stage(repository)
    repository.place(N)
    stage(repository)
    (repository.begin(N) / "half").write_text("x")
    repository.delete(N)
    assert {path.name for path in tmp_path.rglob("*")} == {"staging", "repository"}


def test_deleting_what_is_not_there_is_done(repository: Repository) -> None:
    repository.delete(N)


def test_room_shrinks_with_what_the_store_holds(repository: Repository) -> None:
    before = repository.room()
    stage(repository, "x" * 100_000)
    assert before - repository.room() >= 100_000


def test_a_full_store_has_no_room(tmp_path: Path) -> None:
    small = Repository(tmp_path, limit=1000)
    small.open()
    stage(small, "x" * 100_000)
    assert small.room() == 0


def test_files_are_readable_by_others_of_the_pod(repository: Repository, tmp_path: Path) -> None:
    stage(repository)
    repository.place(N)
    assert (tmp_path / "repository" / N / "1" / "model.py").stat().st_mode & 0o444 == 0o444
