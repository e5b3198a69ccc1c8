"""What an installation may set, read once from the environment and handed to whoever needs it."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_MEBIBYTE = 1024 * 1024


class Settings(BaseSettings):
    """Settings of the API; each is the environment variable ``MOORAGE_<NAME>``."""

    model_config = SettingsConfigDict(
        env_prefix="MOORAGE_", frozen=True, use_attribute_docstrings=True, populate_by_name=True
    )

    database_url: str = "sqlite+aiosqlite:////data/moorage.db"
    """SQLAlchemy URL of the database of people and history; its driver must be asynchronous."""
    secrets_dir: Path = Path("/etc/moorage/secrets")
    """Folder with the files ``jwt-key``, ``pepper`` and ``encryption-key``."""
    initial_admin_dir: Path = Path("/etc/moorage/initial-admin")
    """Folder with the files ``username`` and ``password`` of the first user; may be absent."""
    system_namespace: str = "moorage-system"
    """Namespace that Moorage itself runs in; its own Secrets are there."""
    kubeconfig: Annotated[Path | None, Field(validation_alias="KUBECONFIG")] = None
    """Kubeconfig of the cluster; absent means the pod's own service account. Read from plain ``KUBECONFIG``."""
    host: str = "0.0.0.0"  # noqa: S104 - a pod's address is not known before it runs
    """Address to listen on."""
    http_port: int = 8080
    """Port of the API."""
    metrics_port: int = 9090
    """Port of ``/metrics``, apart so that no ingress reaches it; 0 turns it off."""
    max_body_bytes: int = _MEBIBYTE
    """Largest body of a control-plane request, in bytes; the gateway has limits of its own."""
    max_bulk_body_bytes: int = 32 * _MEBIBYTE
    """Largest body of a request about a collection, in bytes: a thousand objects with vectors of 1,536 numbers."""
    access_token_seconds: int = 600
    """Life of an access token, in seconds."""
    ca_bundle: Annotated[str, Field(pattern=r"^($|-----BEGIN CERTIFICATE-----)", max_length=65536)] = ""
    """PEM certificates of authorities that external vector stores may show besides the public ones."""
    log_level: str = "INFO"
    """Lowest level of the application log."""
