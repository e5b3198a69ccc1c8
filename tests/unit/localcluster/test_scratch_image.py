"""What the cluster's own image archives contain."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from localcluster.scratch_image import write_image

if TYPE_CHECKING:
    from pathlib import Path

NAME = "moorage.local/thing:1"


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    path = tmp_path / "program"
    path.write_bytes(b"\x7fELF" * 1000)
    return path


def members(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {one.name: file.read() for one in tar if (file := tar.extractfile(one))}


def layer(archive: Path) -> dict[str, tarfile.TarInfo]:
    blobs = members(archive)
    manifest = json.loads(blobs[_member(_index(blobs)["digest"])])
    with tarfile.open(fileobj=io.BytesIO(blobs[_member(manifest["layers"][0]["digest"])])) as tar:
        return {one.name: one for one in tar}


def test_every_blob_is_named_by_its_digest(tmp_path: Path, binary: Path) -> None:
    archive = tmp_path / "image.tar"
    write_image(archive, NAME, files={"/thing": binary})
    blobs = {name: data for name, data in members(archive).items() if name.startswith("blobs/")}
    assert len(blobs) == 3
    assert all(name == f"blobs/sha256/{hashlib.sha256(data).hexdigest()}" for name, data in blobs.items())


def test_returned_digest_is_the_one_the_index_names(tmp_path: Path, binary: Path) -> None:
    archive = tmp_path / "image.tar"
    digest = write_image(archive, NAME, files={"/thing": binary})
    index = _index(members(archive))
    assert index["digest"] == digest
    assert index["annotations"]["io.containerd.image.name"] == NAME


def test_config_is_kept_and_describes_the_layer(tmp_path: Path, binary: Path) -> None:
    archive = tmp_path / "image.tar"
    write_image(archive, NAME, files={"/thing": binary}, config={"Entrypoint": ["/thing"], "User": "65532"})
    blobs = members(archive)
    manifest = json.loads(blobs[_member(_index(blobs)["digest"])])
    config = json.loads(blobs[_member(manifest["config"]["digest"])])
    assert config["config"] == {"Entrypoint": ["/thing"], "User": "65532"}
    assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]


def test_layer_holds_files_links_and_directories_owned_by_root(tmp_path: Path, binary: Path) -> None:
    archive = tmp_path / "image.tar"
    write_image(
        archive,
        NAME,
        files={"/usr/bin/busybox": binary},
        links={"/usr/bin/sh": "busybox"},
        directories={"/scratch": 0o1777},
    )
    found = layer(archive)
    assert list(found) == ["scratch", "usr", "usr/bin", "usr/bin/busybox", "usr/bin/sh"]
    assert found["scratch"].mode == 0o1777
    assert found["usr/bin/busybox"].mode == 0o755
    assert found["usr/bin/sh"].linkname == "busybox"
    assert {(one.uid, one.gid, one.mtime) for one in found.values()} == {(0, 0, 0)}


def test_same_content_gives_the_same_bytes(tmp_path: Path, binary: Path) -> None:
    copy = tmp_path / "copy"
    copy.write_bytes(binary.read_bytes())
    first, second = tmp_path / "first.tar", tmp_path / "second.tar"
    write_image(first, NAME, files={"/thing": binary})
    write_image(second, NAME, files={"/thing": copy})
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("path", ["thing", "/../thing"])
def test_refuses_a_path_outside_the_image(tmp_path: Path, binary: Path, path: str) -> None:
    archive = tmp_path / "image.tar"
    with pytest.raises(ValueError, match="must be absolute"):
        write_image(archive, NAME, files={path: binary})
    assert not archive.exists()


def test_a_missing_file_leaves_no_archive(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_image(tmp_path / "image.tar", NAME, files={"/thing": tmp_path / "absent"})
    assert list(tmp_path.iterdir()) == []


def _index(blobs: dict[str, bytes]) -> dict[str, Any]:
    (manifest,) = json.loads(blobs["index.json"])["manifests"]
    assert isinstance(manifest, dict)
    return manifest


def _member(digest: object) -> str:
    return "blobs/" + str(digest).replace(":", "/")
