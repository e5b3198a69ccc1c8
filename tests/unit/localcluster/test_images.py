"""An image's tag is the digest of its inputs: it changes exactly when one of them does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from localcluster import images, rootfs
from localcluster.images import BuildError, BuiltImage, Recipe, build_all, copied

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DOCKERFILE = """
FROM ${BASE}
COPY requirements/thing.txt requirements.txt
COPY --from=other /bin/tool /bin/tool
COPY thing/package lib/package
"""
BASE = "0123456789ab"


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    context = tmp_path / "context"
    for name, text in {
        "requirements/thing.txt": "one==1\n",
        "thing/package/__init__.py": "",
        "thing/package/deep/module.py": "x = 1\n",
        "thing/elsewhere.py": "not copied\n",
        "other/file": "not copied\n",
    }.items():
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).write_text(text)
    dockerfile = tmp_path / "thing.Dockerfile"
    dockerfile.write_text(DOCKERFILE)
    return Recipe("thing", dockerfile, context)


def change_source(recipe: Recipe) -> None:
    (recipe.context / "thing/package/deep/module.py").write_text("x = 2\n")


def change_lock(recipe: Recipe) -> None:
    (recipe.context / "requirements/thing.txt").write_text("one==2\n")


def change_dockerfile(recipe: Recipe) -> None:
    recipe.dockerfile.write_text(DOCKERFILE + "USER 1\n")


def add_file(recipe: Recipe) -> None:
    (recipe.context / "thing/package/new.py").write_text("")


def rename_file(recipe: Recipe) -> None:
    (recipe.context / "thing/package/deep/module.py").rename(recipe.context / "thing/package/deep/renamed.py")


def move_bytes_between_files(recipe: Recipe) -> None:
    (recipe.context / "thing/package/__init__.py").write_text("x = 1\n")
    (recipe.context / "thing/package/deep/module.py").write_text("")


def make_executable(recipe: Recipe) -> None:
    (recipe.context / "thing/package/deep/module.py").chmod(0o755)


@pytest.mark.parametrize(
    "change",
    [
        change_source,
        change_lock,
        change_dockerfile,
        add_file,
        rename_file,
        move_bytes_between_files,
        make_executable,
    ],
)
def test_tag_changes_when_an_input_changes(recipe: Recipe, change: Callable[[Recipe], None]) -> None:
    before = recipe.tag(BASE)
    change(recipe)
    assert recipe.tag(BASE) != before


def test_tag_changes_with_the_base(recipe: Recipe) -> None:
    assert recipe.tag(BASE) != recipe.tag("ba9876543210")


def change_uncopied_file(recipe: Recipe) -> None:
    (recipe.context / "thing/elsewhere.py").write_text("changed\n")


def compile_bytecode(recipe: Recipe) -> None:
    (recipe.context / "thing/package/__pycache__").mkdir()
    (recipe.context / "thing/package/__pycache__/module.pyc").write_bytes(b"\0")


def touch(recipe: Recipe) -> None:
    os.utime(recipe.context / "thing/package/deep/module.py", (1, 1))


def tighten_permissions(recipe: Recipe) -> None:
    (recipe.context / "thing/package/deep/module.py").chmod(0o600)


@pytest.mark.parametrize("change", [change_uncopied_file, compile_bytecode, touch, tighten_permissions])
def test_tag_stays_when_no_input_changes(recipe: Recipe, change: Callable[[Recipe], None]) -> None:
    before = recipe.tag(BASE)
    change(recipe)
    assert recipe.tag(BASE) == before


def test_tag_is_the_same_in_every_checkout(recipe: Recipe, tmp_path: Path) -> None:
    before = recipe.tag(BASE)
    moved = recipe.context.rename(tmp_path / "another")
    assert Recipe("thing", recipe.dockerfile, moved).tag(BASE) == before


def test_stage_holds_exactly_what_the_tag_covers(recipe: Recipe, tmp_path: Path) -> None:
    compile_bytecode(recipe)
    staged = tmp_path / "staged" / "thing"
    staged.mkdir(parents=True)
    recipe.stage(staged)
    files = {str(path.relative_to(staged)) for path in staged.rglob("*") if path.is_file()}
    assert files == {"requirements/thing.txt", "thing/package/__init__.py", "thing/package/deep/module.py"}


def test_staged_files_are_readable_by_any_user(recipe: Recipe, tmp_path: Path) -> None:
    tighten_permissions(recipe)
    staged = tmp_path / "staged" / "thing"
    staged.mkdir(parents=True, mode=0o700)
    before = os.umask(0o077)
    try:
        recipe.stage(staged)
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in staged.rglob("*") if path.is_dir()}
    assert modes == {0o755}
    assert {path.stat().st_mode & 0o777 for path in staged.rglob("*") if path.is_file()} == {0o644}


@pytest.mark.parametrize("later", [change_dockerfile, change_source])
def test_staged_copy_keeps_its_tag_when_the_origin_changes(
    recipe: Recipe, tmp_path: Path, later: Callable[[Recipe], None]
) -> None:
    staged = tmp_path / "staged" / "thing"
    staged.mkdir(parents=True)
    before = recipe.tag(BASE)
    copy = recipe.stage(staged)
    later(recipe)
    assert copy.tag(BASE) == before


def test_copied_lists_sources_from_the_context_only() -> None:
    assert copied(DOCKERFILE) == ("requirements/thing.txt", "thing/package")
    assert copied("COPY --chown=1:1 a b /to/\n") == ("a", "b")


def test_unknown_image_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no image 'operater'"):
        build_all(tmp_path, tmp_path, ["operater"])


def test_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"image operator: .*operator.Dockerfile is missing"):
        build_all(tmp_path, tmp_path, ["operator"])


def test_existing_archive_is_returned_without_running_anything(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "recipe_of", lambda *_: recipe)
    monkeypatch.setattr(rootfs, "key", lambda: BASE)
    monkeypatch.setenv("PATH", "")
    archive = tmp_path / "images" / f"thing-{recipe.tag(BASE)}.tar"
    archive.parent.mkdir()
    archive.touch()
    built = build_all(tmp_path, tmp_path, ["thing"])
    assert built == {"thing": BuiltImage("moorage.local/thing", recipe.tag(BASE), archive)}
    assert built["thing"].reference == f"moorage.local/thing:{recipe.tag(BASE)}"


def test_missing_tools_are_named(tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "recipe_of", lambda *_: recipe)
    monkeypatch.setattr(rootfs, "key", lambda: BASE)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BuildError, match="buildah and mmdebstrap"):
        build_all(tmp_path, tmp_path, ["thing"])
