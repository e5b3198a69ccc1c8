"""Which archives count as the same image."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from localcluster import image_store
from localcluster.layout import ClusterLayout
from localcluster.scratch_image import write_image
from localcluster.system_images import SystemImage


def archive(path: Path, **members: str) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, text in members.items():
            entry = tarfile.TarInfo(name.replace("_", "."))
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return path


def test_id_depends_on_the_index_alone(tmp_path: Path) -> None:
    first = archive(tmp_path / "1.tar", index_json="sha256:a", noise="1")
    second = archive(tmp_path / "2.tar", other="2", index_json="sha256:a")
    third = archive(tmp_path / "3.tar", index_json="sha256:b")
    assert image_store.content_id(first) == image_store.content_id(second)
    assert image_store.content_id(first) != image_store.content_id(third)


def test_docker_archives_have_an_id_too(tmp_path: Path) -> None:
    assert image_store.content_id(archive(tmp_path / "1.tar", manifest_json="[]"))


def test_refuses_what_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no image archive"):
        image_store.content_id(archive(tmp_path / "1.tar", readme="hello"))


def test_same_content_under_another_name_is_another_image(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"x")
    for number in (1, 2):
        write_image(tmp_path / f"{number}.tar", f"moorage.local/thing:{number}", files={"/x": binary})
    assert image_store.content_id(tmp_path / "1.tar") != image_store.content_id(tmp_path / "2.tar")


def test_store_is_reusable_only_after_it_was_emptied(tmp_path: Path) -> None:
    layout = ClusterLayout("moorage-test", 1, tmp_path)
    layout.images.mkdir(parents=True)
    assert not image_store.is_reusable(layout)
    (layout.images / "reusable").touch()
    assert image_store.is_reusable(layout)
    image_store.begin_use(layout)
    assert not image_store.is_reusable(layout)


def test_system_image_is_written_once_per_content(tmp_path: Path) -> None:
    binary = tmp_path / "coredns"
    binary.write_bytes(b"first")
    image = SystemImage("moorage.local/coredns:1", binary, "/coredns", {"Entrypoint": ["/coredns"]})
    first = image.archive(tmp_path / "images")
    made = first.stat().st_mtime_ns
    assert image.archive(tmp_path / "images") == first
    assert first.stat().st_mtime_ns == made
    binary.write_bytes(b"second")
    assert image.archive(tmp_path / "images") != first
