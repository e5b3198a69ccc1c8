"""Settings come from the environment by the names that the chart sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from moorage_api.settings import Settings

if TYPE_CHECKING:
    import pytest


def test_defaults_are_the_paths_of_the_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    settings = Settings()

    assert settings.database_url == "sqlite+aiosqlite:////data/moorage.db"
    assert settings.secrets_dir == Path("/etc/moorage/secrets")
    assert settings.initial_admin_dir == Path("/etc/moorage/initial-admin")
    assert settings.system_namespace == "moorage-system"
    assert (settings.http_port, settings.metrics_port) == (8080, 9090)
    assert settings.kubeconfig is None


def test_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORAGE_SYSTEM_NAMESPACE", "elsewhere")
    monkeypatch.setenv("KUBECONFIG", "/somewhere/kubeconfig")
    settings = Settings()

    assert settings.system_namespace == "elsewhere"
    assert settings.kubeconfig == Path("/somewhere/kubeconfig")
