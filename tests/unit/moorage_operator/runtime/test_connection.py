from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from moorage_operator.runtime import connection

if TYPE_CHECKING:
    from pathlib import Path


def kubeconfig(folder: Path, user: dict[str, Any], cluster: dict[str, Any] | None = None) -> Path:
    path = folder / "config"
    content = {
        "current-context": "c",
        "contexts": [{"name": "other", "context": {}}, {"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": "https://127.0.0.1:6443/", **(cluster or {})}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_kubeconfigs_token_becomes_a_header(tmp_path: Path) -> None:
    where = connection.from_kubeconfig(kubeconfig(tmp_path, {"token": "abc"}))
    assert where.server == "https://127.0.0.1:6443"
    assert where.headers() == {"Authorization": "Bearer abc"}


def test_a_client_certificate_needs_no_header(tmp_path: Path) -> None:
    data = base64.b64encode(b"-----BEGIN X").decode()
    user = {"client-certificate-data": data, "client-key-data": data}
    where = connection.from_kubeconfig(kubeconfig(tmp_path, user))
    assert where.headers() == {}
    assert where.certificate == where.private_key == "-----BEGIN X"


def test_files_of_a_kubeconfig_are_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("-----BEGIN CA")
    path = kubeconfig(tmp_path, {"token": "abc"}, {"certificate-authority": "ca.pem"})
    assert connection.from_kubeconfig(path).ca == "-----BEGIN CA"


def test_a_token_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first\n")
    token = connection.Token(path)
    assert token.read() == "first"
    path.write_text("second\n")
    os.utime(path, ns=(1, 1))
    assert token.read() == "second"


def test_a_pod_finds_the_api_server_by_its_environment(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc")
    (tmp_path / "ca.crt").write_text("CA")
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    where = connection.from_service_account(tmp_path, environment)
    assert (where.server, where.ca, where.headers()["Authorization"]) == ("https://[fd00::1]:443", "CA", "Bearer abc")


def test_a_context_that_names_nothing_is_told_without_values(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, {"token": "hunter2"})
    path.write_text(path.read_text().replace("name: k", "name: elsewhere"))
    with pytest.raises(connection.LoginError) as caught:
        connection.from_kubeconfig(path)
    assert "hunter2" not in str(caught.value)


def test_credentials_are_not_printed() -> None:
    where = connection.Connection("https://x", connection.Token(value="hunter2"), "CA", "CERT", "KEY")
    assert repr(where) == "Connection(server='https://x')"
    assert "hunter2" not in repr(where.token)
