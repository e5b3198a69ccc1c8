"""The outermost layer: names the request, counts and times it, and writes its access line.

One layer for the three, because each needs the answer's status and the matched route, and each layer costs time.
"""

from __future__ import annotations

import re
import time
import uuid
from typing import Any, Final

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moorage_api.observability.metrics import HttpMetrics

HEADER: Final = "X-Request-ID"
_RAW_HEADER: Final = HEADER.lower().encode()
_SANE: Final = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_UNMATCHED: Final = "unmatched"
_access: Any = structlog.stdlib.get_logger("moorage.access")


class RequestContext:
    """Puts ``request_id`` into ``scope["state"]`` and every log line, and into the answer's header."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; anything but HTTP passes untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, request_id)
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id), self._metrics.in_progress():
            try:
                await self._app(scope, receive, answer)
            finally:
                self._finish(scope, answer, time.perf_counter() - started)

    def _finish(self, scope: Scope, answer: _Answer, seconds: float) -> None:
        route = _route_of(scope)
        self._metrics.finished(scope["method"], route, answer.status, seconds)
        principal = scope["state"].get("principal")
        _access.info(
            "request",
            method=scope["method"],
            path=scope["path"],
            route=route,
            status=answer.status,
            milliseconds=round(seconds * 1000, 2),
            address=scope["client"][0] if scope.get("client") else None,
            subject=None if principal is None else principal.subject,
            credential=None if principal is None else principal.credential_id,
        )


class _Answer:
    """A ``send`` that adds the request id and remembers the status; 499 until an answer begins."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 499

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            MutableHeaders(scope=message)[HEADER] = self._request_id
        await self._send(message)


def _request_id(scope: Scope) -> str:
    """Return the caller's id when it is sane: it goes into logs, so it must not be able to write lines there."""
    given = [value for name, value in scope["headers"] if name == _RAW_HEADER]
    if len(given) == 1 and _SANE.fullmatch(given[0]):
        return str(given[0].decode())
    return uuid.uuid4().hex


def _route_of(scope: Scope) -> str:
    """Return the template of the route that was matched: paths themselves would make a label for every object."""
    return getattr(scope.get("route"), "path", _UNMATCHED)
