"""Providers are found by name, and the summary's commands name the key's file, never the key."""

import socket
from pathlib import Path

import pytest

from localcluster import layout
from localcluster.progress import Progress
from mainjob import providers, summary
from mainjob.kubectl import Kubectl


@pytest.mark.parametrize(
    ("name", "kind"), [("local", providers.Local), ("kind", providers.Kind), ("current", providers.Current)]
)
def test_a_provider_is_found_by_name(name: str, kind: type) -> None:
    assert isinstance(providers.named(name, layout.named("moorage-test")), kind)


def test_an_unknown_provider_is_refused() -> None:
    with pytest.raises(providers.NotReadyError, match="one of local, kind, current, got 'docker'"):
        providers.named("docker", layout.named("moorage-test"))


def test_the_summary_prints_three_commands_and_no_secret(tmp_path: Path) -> None:
    key_file = tmp_path / "api-key"
    key_file.write_text("moor_secret\n")
    kubectl = Kubectl("/bin/kubectl", "helm", tmp_path / "kubeconfig")
    text = summary.text(kubectl, "http://localhost:18080", key_file, tmp_path / "python")
    assert "moor_secret" not in text
    commands = [line.strip() for line in text.split("Three things to try:")[1].splitlines() if line.strip()]
    assert len(commands) == 3
    assert commands[0] == f"KUBECONFIG={tmp_path}/kubeconfig /bin/kubectl get tenants,modeldeployments --all-namespaces"
    assert f"$(cat {key_file})" in commands[1]
    assert commands[2].startswith(f"{tmp_path}/python ")
    assert text.startswith("\nMoorage answers at http://localhost:18080\n")


def test_where_the_address_ends_with_the_run_the_summary_says_how_to_open_it_again(tmp_path: Path) -> None:
    kubectl = Kubectl("kubectl", "helm", None)
    opens = providers.named("current", layout.named("moorage-test")).opens(kubectl)
    text = summary.text(kubectl, "http://localhost:18180", tmp_path / "api-key", tmp_path / "python", opens)
    forward = "kubectl port-forward --namespace moorage-system service/moorage-api 18180:80 --address=127.0.0.1"
    assert text.startswith(f"\nMoorage answers at http://localhost:18180 while this runs:\n  {forward}\n")


def test_the_local_clusters_address_outlasts_the_run(tmp_path: Path) -> None:
    kubectl = Kubectl("kubectl", "helm", tmp_path / "kubeconfig")
    assert providers.named("local", layout.named("moorage-test")).opens(kubectl) is None


def test_a_port_that_somebody_else_listens_on_is_no_way_to_the_api() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(providers.NotReadyError, match=f"port {port} of 127.0.0.1 is in use"),
            providers.port_forward(Kubectl("/bin/false", "helm", None), port),
        ):
            pass


def stand_in(folder: Path, program: str, prints: str = "") -> None:
    """Put a program on the path that writes down its arguments and its kubeconfig: kind needs Docker."""
    script = folder / program
    script.write_text(f'#!/bin/sh\necho "{program} $* @$KUBECONFIG" >>"{folder}/log"\nprintf "{prints}"\n')
    script.chmod(0o755)


@pytest.mark.parametrize("clusters", ["", "moorage-test"], ids=["new", "there already"])
def test_kind_leaves_the_callers_kubeconfig_alone(
    clusters: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for program in ("kubectl", "helm"):
        stand_in(tmp_path, program)
    stand_in(tmp_path, "kind", clusters)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("KUBECONFIG", "/somebody/elses")
    monkeypatch.setenv("MOORAGE_CACHE", str(tmp_path / "cache"))
    where = layout.named("moorage-test")
    kind = providers.named("kind", where)
    kind.prepare(Progress())
    kind.kubectl().run("get", "pods")
    kind.remove(Progress())
    asked = [line for line in (tmp_path / "log").read_text().splitlines() if " get clusters" not in line]
    assert asked
    assert [line for line in asked if str(where.kubeconfig) not in line] == []
    assert where.kubeconfig.is_relative_to(tmp_path)
