"""A small API server: lists, watches and applies over TLS, with the faults that a test asks for."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from moorage_agent.kube import Kube
from tests.support.tls import Identity, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NAMESPACE = "tenant-acme"
_ROOT = f"/apis/apps/v1/namespaces/{NAMESPACE}/controllerrevisions"
_SECRET = f"/api/v1/namespaces/{NAMESPACE}/secrets/{{name}}"
_STATUS = f"/apis/moorage.dev/v1alpha1/namespaces/{NAMESPACE}/modeldeployments/{{model}}/status"


@dataclass
class FakeKube:
    """What the server holds and was asked."""

    items: list[dict[str, Any]] = field(default_factory=list)
    page: int = 100
    version: int = 10
    lists: list[dict[str, str]] = field(default_factory=list)
    watches: list[dict[str, str]] = field(default_factory=list)
    patches: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    secrets: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: list[int] = field(default_factory=list)
    """Statuses of the next patches; 200 when there are none left."""
    _streams: list[asyncio.Queue[bytes | None]] = field(default_factory=list)

    def application(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.get(_ROOT, self._get), web.patch(_STATUS, self._patch)])
        app.add_routes([web.get(_SECRET, self._secret)])
        return app

    async def emit(self, kind: str, manifest: dict[str, Any]) -> None:
        """Send an event to the newest watch."""
        await until(lambda: self._streams, 60)
        self._streams[-1].put_nowait(json.dumps({"type": kind, "object": manifest}).encode() + b"\n")

    def end_watches(self) -> None:
        """End every watch as a server does when its time is over."""
        for stream in self._streams:
            stream.put_nowait(None)
        self._streams.clear()

    async def _get(self, request: web.Request) -> web.StreamResponse:
        self.tokens.add(request.headers["Authorization"])
        query = dict(request.query)
        return await self._watch(request, query) if "watch" in query else self._list(query)

    def _list(self, query: dict[str, str]) -> web.Response:
        self.lists.append(query)
        start = int(query.get("continue", 0))
        more = start + self.page < len(self.items)
        meta = {"resourceVersion": str(self.version)} | ({"continue": str(start + self.page)} if more else {})
        return web.json_response({"metadata": meta, "items": self.items[start : start + self.page]})

    async def _watch(self, request: web.Request, query: dict[str, str]) -> web.StreamResponse:
        self.watches.append(query)
        stream: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._streams.append(stream)
        response = web.StreamResponse()
        await response.prepare(request)
        while (line := await stream.get()) is not None:
            await response.write(line)
        return response

    async def _secret(self, request: web.Request) -> web.StreamResponse:
        found = self.secrets.get(request.match_info["name"])
        return web.json_response(found or {}, status=200 if found else 404)

    async def _patch(self, request: web.Request) -> web.StreamResponse:
        status = self.answers.pop(0) if self.answers else 200
        if status == web.HTTPOk.status_code:
            manager = request.query["fieldManager"]
            self.patches.append((request.match_info["model"], manager, json.loads(await request.read())))
        return web.json_response({}, status=status)


def account(folder: Path, identity: Identity, *, token: str) -> Path:
    """Return a folder like the projected volume."""
    folder.mkdir()
    (folder / "ca.crt").write_bytes(identity.certificate.read_bytes())
    (folder / "token").write_text(token)
    return folder


@asynccontextmanager
async def running(fake: FakeKube, folder: Path) -> AsyncIterator[Kube]:
    """Serve the fake and yield the agent's own client of it."""
    identity = Identity.make(folder)
    async with serving(fake.application(), identity) as port, aiohttp.ClientSession() as session:
        files = account(folder / "account", identity, token="token-1")
        yield Kube(session, f"https://127.0.0.1:{port}", NAMESPACE, files)
        fake.end_watches()


async def until(condition: Any, seconds: float = 5.0) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 # conditions of all sorts, and none of them signals
            await asyncio.sleep(0.01)
