"""Turns every exception that nobody expected into a problem document, and into one log entry with its traceback."""

from __future__ import annotations

from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moorage_api.errors import internal, request_id_of, respond
from moorage_crds.errors import MoorageError

_log: Any = structlog.stdlib.get_logger(__name__)


class ErrorBoundary:
    """Answers for the layers within that raise; what has begun to answer is cut off instead."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; anything but HTTP passes untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if not isinstance(error, MoorageError):
                _log.exception("request failed")
            if has_begun:
                raise  # the server cuts the connection: a truncated answer must not look complete
            expected = error if isinstance(error, MoorageError) else internal()
            await respond(expected, request_id_of(scope))(scope, receive, send)
