"""The commands as a Job and ``kubectl exec`` run them: own processes, against a real API server."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from moorage_api import keyring
from moorage_crds import permissions
from tests.support.api import PASSWORD, bearer, write_secrets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from localcluster.controlplane import ControlPlane
    from tests.support.api import Api
    from tests.support.kube import Kube, Manifest

API_SECRETS, INITIAL_ADMIN = "moorage-api-secrets", "moorage-initial-admin"


@pytest.fixture
def namespace(kube: Kube, name: str) -> str:
    """A system namespace of its own."""
    assert kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}).is_success
    return name


@pytest.fixture
def command(control_plane: ControlPlane, tmp_path: Path, name: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A function that runs ``moorage-api`` with the settings of the API in this process."""
    secrets = write_secrets(tmp_path / "secrets")
    (secrets / keyring.PEPPER).write_text("p" * 32)
    environment = os.environ | {
        "KUBECONFIG": str(control_plane.kubeconfig),
        "MOORAGE_SYSTEM_NAMESPACE": name,
        "MOORAGE_SECRETS_DIR": str(secrets),
        "MOORAGE_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/moorage.db",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "moorage_api", *arguments]
        return subprocess.run(argv, capture_output=True, text=True, check=False, env=environment, timeout=60)

    return run


def secret(kube: Kube, namespace: str, name: str) -> dict[str, str] | None:
    metadata = {"name": name, "namespace": namespace}
    answer = kube.get({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
    if answer.status_code == 404:
        return None
    return {key: base64.b64decode(value).decode() for key, value in answer.json()["data"].items()}


def manifest(namespace: str, name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}}


def test_bootstrap_makes_the_secrets_once(kube: Kube, namespace: str, command: Callable[..., Any]) -> None:
    assert command("bootstrap").returncode == 0
    keys, first_user = secret(kube, namespace, API_SECRETS), secret(kube, namespace, INITIAL_ADMIN)
    assert keys is not None
    assert first_user is not None
    assert set(keys) == set(keyring.KEYS)
    assert all(len(value) >= keyring.MIN_BYTES for value in keys.values())
    assert len(set(keys.values())) == len(keys)
    assert first_user["username"] == "admin"

    again = command("bootstrap")
    assert again.returncode == 0
    assert secret(kube, namespace, API_SECRETS) == keys
    assert secret(kube, namespace, INITIAL_ADMIN) == first_user
    assert not any(value in again.stdout + again.stderr for value in [*keys.values(), first_user["password"]])


def test_an_initial_password_that_is_no_longer_in_use_does_not_come_back(
    kube: Kube, namespace: str, command: Callable[..., Any]
) -> None:
    command("bootstrap")
    kube.delete(manifest(namespace, INITIAL_ADMIN))

    command("bootstrap")

    assert secret(kube, namespace, INITIAL_ADMIN) is None


def test_a_bootstrap_cut_short_is_completed(kube: Kube, namespace: str, command: Callable[..., Any]) -> None:
    command("bootstrap")
    first_user = secret(kube, namespace, INITIAL_ADMIN)
    kube.delete(manifest(namespace, API_SECRETS))

    command("bootstrap")

    assert secret(kube, namespace, API_SECRETS) is not None
    assert secret(kube, namespace, INITIAL_ADMIN) == first_user


def test_bootstrap_says_why_it_fails(command: Callable[..., Any]) -> None:
    failed = command("bootstrap")

    assert failed.returncode == 1
    assert "moorage-api bootstrap:" in failed.stderr
    assert "Traceback" not in failed.stderr


async def test_a_new_key_works_at_once_beside_the_running_api(
    api: Api, name: str, command: Callable[..., Any], tenant_of_kubectl: Callable[..., Any]
) -> None:
    await tenant_of_kubectl(name)
    arguments = ("--tenant", name, "--service-account", "quickstart", "--role", "developer", "--expires", "24h")

    made = command("create-key", *arguments)

    assert made.returncode == 0, made.stderr
    (key,) = made.stdout.splitlines()
    me = (await api.client.get("/api/v1/me", headers=bearer(key))).json()
    assert (me["name"], me["kind"]) == ("quickstart", "ServiceAccount")
    (membership,) = me["tenants"]
    assert membership["role"] == "developer"
    assert permissions.MODELS_INFER in membership["permissions"]


async def test_a_second_key_is_another_one_of_the_same_account(
    api: Api, name: str, command: Callable[..., Any], tenant_of_kubectl: Callable[..., Any]
) -> None:
    await tenant_of_kubectl(name)
    arguments = ("--tenant", name, "--service-account", "quickstart", "--role")
    first = command("create-key", *arguments, "developer").stdout.strip()
    second = command("create-key", *arguments, "viewer").stdout.strip()

    assert first != second
    answers = [(await api.client.get("/api/v1/me", headers=bearer(key))).json() for key in (first, second)]
    assert {answer["tenants"][0]["role"] for answer in answers} == {"viewer"}


async def test_a_key_for_an_unknown_tenant_is_not_made(api: Api, name: str, command: Callable[..., Any]) -> None:
    del api  # its database is migrated
    failed = command("create-key", "--tenant", name, "--service-account", "ci", "--role", "user")

    assert failed.returncode == 1
    assert failed.stdout == ""
    assert name in failed.stderr


def test_migrate_makes_the_tables(command: Callable[..., Any], tmp_path: Path) -> None:
    assert command("migrate").returncode == 0
    assert (tmp_path / "moorage.db").stat().st_size > 0


async def test_the_first_change_of_the_initial_password_deletes_its_secret(api: Api, kube: Kube) -> None:
    initial = manifest("moorage-system", INITIAL_ADMIN)
    kube.create({**initial, "stringData": {"username": "boss", "password": PASSWORD}})
    boss = await api.user_with_password("boss", "admin", "Bootstrap")
    own = await api.user_with_password("alice")
    body = {"current": PASSWORD, "new": "another correct horse"}

    await api.client.post("/api/v1/auth/password", headers=await api.signed_in(own), json=body)
    assert kube.get(initial).status_code == 200

    answer = await api.client.post("/api/v1/auth/password", headers=await api.signed_in(boss), json=body)
    assert answer.status_code == 204
    assert kube.get(initial).status_code == 404
