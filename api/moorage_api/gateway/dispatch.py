"""The gateway as raw ASGI, ahead of the router: one dictionary look-up instead of a hundred routes and dependencies."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moorage_api.errors import internal, request_id_of
from moorage_api.gateway import bodies, headers, paths
from moorage_api.gateway.answers import Answer, refusal
from moorage_api.gateway.service import Gateway, Question
from moorage_crds.errors import MoorageError

_log = logging.getLogger(__name__)


def gateway_of(scope: Scope) -> Gateway:
    """Return the gateway of the application that serves this request: ``app.state.gateway``."""
    return cast("Gateway", scope["app"].state.gateway)


class GatewayDispatcher:
    """Answers what is the gateway's and hands everything else to ``app``.

    Args:
        app: The application behind, FastAPI's router in the end.
        find: Finds the gateway at the request, as it lives no longer than the application's lifespan.
    """

    def __init__(self, app: ASGIApp, find: Callable[[Scope], Gateway] = gateway_of) -> None:
        self._app = app
        self._find = find

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of any type."""
        if scope["type"] != "http" or not await serve(self._find, scope, receive, send):
            await self._app(scope, receive, send)


async def serve(find: Callable[[Scope], Gateway], scope: Scope, receive: Receive, send: Send) -> bool:
    """Answer a request of the gateway; return False, having done nothing, for any other."""
    started = _Started(send)
    try:
        call = paths.match(scope["method"], scope["path"], scope.get("raw_path") or b"")
        if call is None:
            return False
        await _answer(find(scope), call, scope, receive, started)
    except bodies.ClientGoneError:
        return True
    except MoorageError as error:
        await _refuse(error, scope, started)
    except Exception:
        if started.yes:
            raise  # the server cuts the connection: a truncated answer must not look complete
        _log.exception("request failed", extra={"request_id": request_id_of(scope)})
        await _refuse(internal(), scope, started)
    return True


async def _answer(gateway: Gateway, call: paths.Call, scope: Scope, receive: Receive, send: Send) -> None:
    scope["route"] = call.route  # its template labels metrics and the access line, as a router's would
    scope.setdefault("state", {})["principal"] = await gateway.admit(call, scope["headers"])
    body = await bodies.read(scope["headers"], receive) if call.route.method == "POST" else None
    question = Question(call, headers.to_triton(scope["headers"]), body)
    async with gateway.answering(question) as answer:
        await answer.send(send)


async def _refuse(error: MoorageError, scope: Scope, send: _Started) -> None:
    if send.yes:
        raise error
    answer: Answer = refusal(error, request_id_of(scope))
    await answer.send(send)


class _Started:
    """A ``send`` that remembers whether the answer has begun: after that it cannot become another one."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.yes = False

    async def __call__(self, message: Message) -> None:
        self.yes = True
        await self._send(message)
