"""Speak to an API server with the standard library: read, apply, wait.

Separate because starting a cluster needs a handful of requests and must not need an installed client.
"""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from localcluster.pki import Pair

_PLURALS: Mapping[str, str] = {"StorageClass": "storageclasses", "NetworkPolicy": "networkpolicies"}
_CLUSTER_WIDE = {"Namespace", "ClusterRole", "ClusterRoleBinding", "StorageClass", "APIService"}
_APPLY = "application/apply-patch+yaml"
_OK = range(200, 300)
_TIMEOUT = 10.0

Manifest = dict[str, Any]
"""A Kubernetes object as JSON: Any, since its shape is the API server's to check."""


class ApiError(RuntimeError):
    """The API server refused or could not be reached."""


@dataclass(frozen=True)
class KubeApi:
    """One API server and who we are to it."""

    url: str
    authority: Path
    client: Pair

    def is_ready(self) -> bool:
        """Tell whether the server says it is ready."""
        try:
            return self._send("GET", "/readyz", None)[0] == http.client.OK
        except (OSError, http.client.HTTPException):
            return False

    def get(self, path: str) -> Manifest | None:
        """Return what is at a path, or None when there is nothing or no server."""
        try:
            status, body = self._send("GET", path, None)
        except (OSError, http.client.HTTPException):
            return None
        return json.loads(body) if status == http.client.OK else None

    def apply(self, manifest: Manifest) -> None:
        """Create an object or bring it to this shape, as often as needed."""
        path = f"{object_path(manifest)}?fieldManager=localcluster&force=true"
        status, body = self._send("PATCH", path, json.dumps(manifest))
        if status not in _OK:
            raise ApiError(f"API server refused {object_path(manifest)} with {status}: {body.decode(errors='replace')}")

    def _send(self, method: str, path: str, body: str | None) -> tuple[int, bytes]:
        host = urlsplit(self.url)
        connection = http.client.HTTPSConnection(
            host.hostname or "", host.port, timeout=_TIMEOUT, context=self._context()
        )
        try:
            connection.request(method, path, body, {"Content-Type": _APPLY} if body else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.authority))
        context.load_cert_chain(self.client.certificate, self.client.key)
        return context


def object_path(manifest: Manifest) -> str:
    """Return the path of an object in the API."""
    version, kind = manifest["apiVersion"], manifest["kind"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    plural = _PLURALS.get(kind, f"{kind.lower()}s")
    metadata = manifest["metadata"]
    scope = "" if kind in _CLUSTER_WIDE else f"/namespaces/{metadata['namespace']}"
    return f"{root}{scope}/{plural}/{metadata['name']}"
