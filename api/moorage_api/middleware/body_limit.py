"""Bounds the bodies of the control plane: by what the request announces, and by what really comes."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moorage_api import BASE_PATH
from moorage_api.errors import PayloadTooLargeError

_BULK: Final = re.compile(rf"{BASE_PATH}/tenants/[^/]+/collections/")


class BodyLimit:
    """Refuses bodies of more than ``limit`` bytes with 413, and of ``bulk_limit`` where objects come in bulk."""

    def __init__(self, app: ASGIApp, limit: int, bulk_limit: int) -> None:
        self._app = app
        self._limit = limit
        self._bulk_limit = bulk_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; anything but HTTP passes untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._bulk_limit if _BULK.match(scope["path"]) else self._limit
        if _announced(scope) > limit:
            raise _refusal(limit)
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                # FastAPI lets this class through where it reads the body, and makes 400 of every other.
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE) from _refusal(limit)
            return message

        await self._app(scope, counted, send)


def _refusal(limit: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(f"The body must not exceed {limit} bytes.")


def _announced(scope: Scope) -> int:
    lengths = [int(value) for name, value in scope["headers"] if name == b"content-length" and value.isdigit()]
    return max(lengths, default=0)
