"""What can go wrong between us and the API server, as few words as the callers tell apart.

Separate so that HTTP status codes and aiohttp's exceptions end here. No message carries a body of ours or a secret:
of a refused Secret only the reason is kept, since the API server quotes offending values.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

from moorage_crds.errors import MoorageError

_MESSAGE_MAX = 1024


class ApiError(MoorageError):
    """The API server refused or failed a request; ``status`` is the HTTP status, 0 when none came."""

    code: ClassVar[str] = "api-error"

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class UnreachableError(ApiError):
    """No answer came; whether a write was committed is unknown."""

    code = "unavailable"


class InvalidError(ApiError):
    """The request itself is wrong (400, 405, 415, 422); repeating it unchanged is of no use."""

    code = "invalid-input"


class UnauthorizedError(ApiError):
    """The API server does not know us."""

    code = "unauthorized"


class ForbiddenError(ApiError):
    """We lack the right, perhaps only until a new RoleBinding is seen by the authorizer."""

    code = "forbidden"


class NotFoundError(ApiError):
    """The object, its namespace or its kind does not exist."""

    code = "not-found"


class ConflictError(ApiError):
    """The object exists, has changed, is another one of the same name, or a test of a patch failed."""

    code = "conflict"


class GoneError(ApiError):
    """The resource version or list token is too old; list again."""

    code = "gone"


class TooManyRequestsError(ApiError):
    """The API server sheds load."""

    code = "too-many-requests"

    def __init__(self, message: str, status: int, retry_after: float) -> None:
        super().__init__(message, status)
        self.retry_after = retry_after
        """Seconds to wait, as the API server asks."""


class ServerError(ApiError):
    """The API server failed (5xx); whether a write was committed is unknown."""

    code = "unavailable"


_BY_STATUS: dict[int, type[ApiError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
}
_SERVER_ERRORS = 500
_TOO_MANY = 429


def from_response(request: str, status: int, body: bytes, retry_after: str | None) -> ApiError:
    """Return the error of an HTTP answer.

    ``request`` names verb and object for the message, such as ``PATCH deployments tenant-a/triton``; ``body`` is the
    API server's Status object; ``retry_after`` is the header's value, in seconds.
    """
    answer = _decode(body)
    message = f"{request}: {status} {_explain(request, answer)}"
    if _is_terminating(answer):
        return ConflictError(message, status)
    if status == _TOO_MANY:
        return TooManyRequestsError(message, status, _seconds(retry_after))
    kind = ServerError if status >= _SERVER_ERRORS else _BY_STATUS.get(status, InvalidError)
    return kind(message, status)


def from_watch(request: str, status: dict[str, Any]) -> ApiError:
    """Return the error of an ERROR event, whose object is a Status."""
    code = int(status.get("code") or 0)
    return from_response(request, code, json.dumps(status).encode(), None)


def _is_terminating(answer: dict[str, Any]) -> bool:
    """Tell whether the namespace is being deleted, which comes as 403 although no right is missing."""
    causes = (answer.get("details") or {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


def _explain(request: str, status: dict[str, Any]) -> str:
    reason = str(status.get("reason") or "")
    if " secrets " in f" {request} ":
        return reason
    return f"{reason}: {status.get('message') or ''}"[:_MESSAGE_MAX]


def _decode(body: bytes) -> dict[str, Any]:
    """Return the Status object, or an empty one where a proxy answered in its own words."""
    try:
        status = json.loads(body)
    except ValueError:
        return {}
    return status if isinstance(status, dict) else {}


def _seconds(retry_after: str | None) -> float:
    try:
        return max(0.0, float(retry_after or 1))
    except ValueError:
        return 1.0
