"""Where the API server is and who we are: from the pod's ServiceAccount or from a kubeconfig.

Separate because our own client and Kopf must log in alike, and because credentials stay inside this module.
"""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class LoginError(Exception):
    """Neither a ServiceAccount nor a usable kubeconfig was found; the message names what is missing, no value."""


@dataclass
class Token:
    """A bearer token; one from a file is read again when the file changes, since the kubelet renews it hourly."""

    path: Path | None = None
    value: str | None = field(default=None, repr=False)
    _stamp: tuple[int, int] | None = field(default=None, repr=False)

    def read(self) -> str | None:
        """Return the token that holds now."""
        if self.path is not None:
            stat = self.path.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino)
            if stamp != self._stamp:
                self.value, self._stamp = self.path.read_text().strip(), stamp
        return self.value


@dataclass(frozen=True)
class Connection:
    """One API server and our credentials for it; nothing here is printed."""

    server: str
    token: Token = field(repr=False)
    ca: str | None = field(default=None, repr=False)
    """Certificate authority in PEM; None means the system's."""
    certificate: str | None = field(default=None, repr=False)
    """Client certificate in PEM."""
    private_key: str | None = field(default=None, repr=False)
    """Client key in PEM."""

    def headers(self) -> dict[str, str]:
        """Return the header that says who we are; empty with a client certificate."""
        token = self.token.read()
        return {"Authorization": f"Bearer {token}"} if token else {}

    def tls(self) -> ssl.SSLContext:
        """Return a context that verifies the server and presents our certificate, if we have one."""
        context = ssl.create_default_context(cadata=self.ca)
        if self.certificate and self.private_key:
            _load_pair(context, self.certificate, self.private_key)
        return context


def find(environment: Mapping[str, str]) -> Connection:
    """Return the connection of this process; raises LoginError.

    ``KUBECONFIG`` comes first, then the pod's ServiceAccount, then ``~/.kube/config``.
    """
    chosen = environment.get("KUBECONFIG")
    if chosen:
        return from_kubeconfig(Path(chosen))
    if (SERVICE_ACCOUNT / "token").exists():
        return from_service_account(SERVICE_ACCOUNT, environment)
    default = Path.home() / ".kube" / "config"
    if default.exists():
        return from_kubeconfig(default)
    raise LoginError("no KUBECONFIG, no ServiceAccount token in the pod, no ~/.kube/config")


def from_service_account(folder: Path, environment: Mapping[str, str]) -> Connection:
    """Return the connection that Kubernetes gives every pod; raises LoginError."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise LoginError("a ServiceAccount token is there, but KUBERNETES_SERVICE_HOST is not set")
    address = f"[{host}]" if ":" in host else host
    return Connection(f"https://{address}:{port}", Token(folder / "token"), (folder / "ca.crt").read_text())


def from_kubeconfig(path: Path) -> Connection:
    """Return the connection of a kubeconfig's current context; raises LoginError.

    Understood: CA, client certificate and key as data or as files, token and token file. Exec plugins are not, since
    the operator runs in a pod, and a kubeconfig serves development and tests alone.
    """
    config = yaml.safe_load(path.read_text())
    try:
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"])["user"]
        return Connection(
            server=cluster["server"].rstrip("/"),
            token=_token(user, path.parent),
            ca=_pem(cluster, "certificate-authority", path.parent),
            certificate=_pem(user, "client-certificate", path.parent),
            private_key=_pem(user, "client-key", path.parent),
        )
    except (KeyError, TypeError, StopIteration) as error:
        raise LoginError(f"{path}: {error!r} is missing for the current context") from None


def _named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(item for item in items if item["name"] == name)


def _token(user: dict[str, Any], folder: Path) -> Token:
    file = user.get("tokenFile")
    return Token(path=folder / file) if file else Token(value=user.get("token"))


def _pem(section: dict[str, Any], field_name: str, folder: Path) -> str | None:
    data, file = section.get(f"{field_name}-data"), section.get(field_name)
    if data:
        return base64.b64decode(data).decode()
    return (folder / file).read_text() if file else None


def _load_pair(context: ssl.SSLContext, certificate: str, private_key: str) -> None:
    """Load a client certificate; ``ssl`` takes files alone, so it exists for a moment, readable by us alone."""
    descriptor, name = tempfile.mkstemp()
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{certificate}\n{private_key}")
        context.load_cert_chain(name)
    finally:
        Path(name).unlink()
