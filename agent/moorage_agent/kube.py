"""The few requests the agent makes to the API server: list, watch, read a Secret, apply one status.

Separate, and raw HTTP, because a client library would cost more memory than the rest of the agent together.
"""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING, Any

import aiohttp

from moorage_agent.errors import KubeError
from moorage_crds import GROUP, VERSION, labels
from moorage_crds.encoding import as_yaml
from moorage_crds.modeldeployment import ModelDeployment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

GONE = 410
"""The resource version is too old: list again."""

_PAGE = 50
"""Revisions a page: one may hold 128 KiB of files, and a page is in memory as text and as objects at once."""
_WATCH_SECONDS = 290
_SILENT_SECONDS = 120.0
"""Bookmarks come each minute: longer silence is a dead connection."""
_REQUEST = aiohttp.ClientTimeout(total=30, connect=5)
_WATCH = aiohttp.ClientTimeout(total=_WATCH_SECONDS + 30, connect=5, sock_read=_SILENT_SECONDS)
_APPLY = {"Content-Type": "application/apply-patch+yaml"}


class Kube:
    """The API server, seen from one namespace with the pod's own token."""

    def __init__(self, session: aiohttp.ClientSession, url: str, namespace: str, account: Path) -> None:
        self._session = session
        self._account = account
        self._revisions = f"{url}/apis/apps/v1/namespaces/{namespace}/controllerrevisions"
        self._models = f"{url}/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{ModelDeployment.PLURAL}"
        self._secrets = f"{url}/api/v1/namespaces/{namespace}/secrets"
        self._tls = ssl.create_default_context(cafile=str(account / "ca.crt"))

    async def list_revisions(self) -> AsyncIterator[tuple[list[dict[str, Any]], str]]:
        """Yield pages of ControllerRevisions of models, each with the resource version of the whole list."""
        params = {"labelSelector": labels.MODEL, "limit": str(_PAGE)}
        while True:
            page = json.loads(await self._text("GET", self._revisions, params))
            yield page.get("items") or [], page["metadata"]["resourceVersion"]
            if not page["metadata"].get("continue"):
                return
            params["continue"] = page["metadata"]["continue"]

    async def watch_revisions(self, version: str) -> AsyncIterator[dict[str, Any]]:
        """Yield watch events after a resource version until the server ends the watch; raises KubeError."""
        params = {
            "labelSelector": labels.MODEL,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        try:
            async with self._request("GET", self._revisions, params, timeout=_WATCH) as response:
                await _check(response)
                async for line in _lines(response.content):
                    yield _event(line)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise KubeError(0, f"watching revisions: {_why(error)}") from error

    async def read_secret(self, name: str) -> dict[str, Any]:
        """Return a Secret of the namespace; raises KubeError."""
        secret: dict[str, Any] = json.loads(await self._text("GET", f"{self._secrets}/{name}", {}))
        return secret

    async def apply_status(self, model: str, manifest: Mapping[str, Any], manager: str) -> None:
        """Apply a status as one field manager, forced: nobody else may own this pod's entry."""
        params = {"fieldManager": manager, "force": "true"}
        await self._text("PATCH", f"{self._models}/{model}/status", params, as_yaml(manifest))

    async def _text(self, method: str, url: str, params: Mapping[str, str], body: str | None = None) -> str:
        try:
            async with self._request(method, url, params, body) as response:
                await _check(response)
                return await response.text()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise KubeError(0, f"{method} {url}: {_why(error)}") from error

    def _request(
        self,
        method: str,
        url: str,
        params: Mapping[str, str],
        body: str | None = None,
        timeout: aiohttp.ClientTimeout = _REQUEST,
    ) -> aiohttp.client._RequestContextManager:
        # Read each time: the kubelet replaces the projected token every hour.
        token = (self._account / "token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}", **(_APPLY if body else {})}
        return self._session.request(
            method, url, params=params, data=body, headers=headers, timeout=timeout, ssl=self._tls
        )


def _why(error: Exception) -> str:
    """Return the error's words or, where it has none as time-outs do, its name."""
    return str(error) or type(error).__name__


async def _check(response: aiohttp.ClientResponse) -> None:
    if not response.ok:
        text = (await response.text())[:500]
        raise KubeError(response.status, f"{response.method} {response.url.path} answered {response.status}: {text}")


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Split into lines of any length; aiohttp's own readline refuses those above its buffer."""
    buffer = bytearray()
    async for chunk in content.iter_any():
        buffer += chunk
        while (at := buffer.find(b"\n")) >= 0:
            yield bytes(buffer[:at])
            del buffer[: at + 1]


def _event(line: bytes) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(line)
    if event["type"] == "ERROR":
        status = event["object"]
        raise KubeError(int(status.get("code") or 0), f"watching revisions: {status.get('message')}")
    return event
