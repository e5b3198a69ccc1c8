"""What the gateway sends back, and how a refusal reads to ``tritonclient`` and to everybody else alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import orjson
from starlette.types import Send

from moorage_api.errors import MEDIA_TYPE, headers_of, problem, status_of
from moorage_api.gateway.errors import MethodRefusedError
from moorage_api.gateway.headers import Headers
from moorage_crds.errors import MoorageError


@dataclass(frozen=True)
class Answer:
    """An answer whose headers are complete, Content-Length included."""

    status: int
    headers: Headers
    pieces: AsyncIterator[bytes] | None = None
    """The body piece by piece; ``body`` comes before it."""
    body: bytes = b""

    async def send(self, send: Send) -> None:
        """Send it by ASGI."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        if self.pieces is None:
            await send({"type": "http.response.body", "body": self.body})
            return
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        async for piece in self.pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})


def refusal(error: MoorageError, request_id: str) -> Answer:
    """Return the problem document of an error.

    It repeats its detail as ``error``, the one field that ``tritonclient`` reads from a failed request.
    """
    document = problem(error.code, status_of(error), str(error), request_id).model_dump(exclude_none=True)
    body = orjson.dumps({**document, "error": document["detail"]})
    headers = {**headers_of(error), "Content-Type": MEDIA_TYPE, "Content-Length": str(len(body))}
    if isinstance(error, MethodRefusedError):
        headers["Allow"] = error.allowed
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Answer(status_of(error), raw, body=body)
