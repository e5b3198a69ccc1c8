"""The kubeconfig people and tests use."""

from __future__ import annotations

import base64
import re
import stat
from typing import TYPE_CHECKING

import pytest

from localcluster import kubeconfig
from localcluster.pki import Pair

if TYPE_CHECKING:
    from pathlib import Path

URL = "https://127.0.0.1:16443"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    files = {name: tmp_path / name for name in ("ca", "certificate", "key")}
    for name, file in files.items():
        file.write_text(f"the {name}")
    path = tmp_path / "kubeconfig"
    kubeconfig.write(path, "moorage-local", URL, files["ca"], Pair(files["certificate"], files["key"]))
    return path


def value(path: Path, key: str) -> str:
    found = re.search(rf"^\s*{key}: (\S+)$", path.read_text(), re.MULTILINE)
    assert found, key
    return found.group(1)


def test_names_the_server_and_the_cluster_as_context(written: Path) -> None:
    assert value(written, "server") == URL
    assert value(written, "current-context") == "moorage-local"


@pytest.mark.parametrize(
    ("key", "content"),
    [
        ("certificate-authority-data", "the ca"),
        ("client-certificate-data", "the certificate"),
        ("client-key-data", "the key"),
    ],
)
def test_holds_its_certificates(written: Path, key: str, content: str) -> None:
    assert base64.b64decode(value(written, key)).decode() == content


def test_only_its_owner_can_read_it(written: Path) -> None:
    assert stat.S_IMODE(written.stat().st_mode) == 0o600


def test_writing_again_replaces_it(written: Path, tmp_path: Path) -> None:
    kubeconfig.write(written, "other", URL, tmp_path / "ca", Pair(tmp_path / "certificate", tmp_path / "key"))
    assert value(written, "current-context") == "other"
    assert not list(tmp_path.glob("*.new"))
