"""Settings come from the environment by the names that the chart sets."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from moorage_api.settings import Settings


def test_defaults_are_the_paths_of_the_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    settings = Settings()

    assert settings.database_url == "sqlite+aiosqlite:////data/moorage.db"
    assert settings.secrets_dir == Path("/etc/moorage/secrets")
    assert settings.initial_admin_dir == Path("/etc/moorage/initial-admin")
    assert settings.system_namespace == "moorage-system"
    assert (settings.http_port, settings.metrics_port) == (8080, 9090)
    assert settings.kubeconfig is None
    assert settings.ca_bundle == ""


def test_authorities_that_are_no_certificates_are_refused() -> None:
    with pytest.raises(ValidationError, match="ca_bundle"):
        Settings(ca_bundle="none")


def test_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORAGE_SYSTEM_NAMESPACE", "elsewhere")
    monkeypatch.setenv("KUBECONFIG", "/somewhere/kubeconfig")
    settings = Settings()

    assert settings.system_namespace == "elsewhere"
    assert settings.kubeconfig == Path("/somewhere/kubeconfig")
