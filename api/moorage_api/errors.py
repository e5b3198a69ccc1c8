"""Errors of the API's own and their way onto the wire: RFC 9457 problem documents.

The one place that knows which error is which status. Everything that refuses a request raises a ``MoorageError``;
the FastAPI handlers installed here and the error boundary (for raw ASGI code) turn it into a ``Problem``.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from moorage_crds import errors

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "https://moorage.dev/problems/"


@dataclass(frozen=True)
class FieldError:
    """One field of the request that breaks a rule."""

    field: str
    """Path of the field, such as ``spec.quota.pods``."""
    rule: str
    """The rule in words."""


class AuthenticationError(errors.MoorageError):
    """The request carries no valid credential; the message never says which part was wrong."""

    code = "unauthenticated"


class ForbiddenError(errors.MoorageError):
    """The caller is known, may know that the object exists, and may not do this to it."""

    code = "forbidden"


class InvalidFieldsError(errors.InvalidInputError):
    """Fields of the request break rules; each is named."""

    def __init__(self, message: str, fields: tuple[FieldError, ...]) -> None:
        super().__init__(message)
        self.fields = fields


class PreconditionFailedError(errors.MoorageError):
    """The object is no longer the one that ``If-Match`` names."""

    code = "precondition-failed"


class QuotaExceededError(ForbiddenError):
    """The tenant's quota has no room for it; the message names the bound."""

    code = "quota-exceeded"


class PayloadTooLargeError(errors.MoorageError):
    """The body is larger than the route takes."""

    code = "payload-too-large"


class UnsupportedMediaTypeError(errors.MoorageError):
    """The body is of a type that the route does not take."""

    code = "unsupported-media-type"


class RateLimitedError(errors.MoorageError):
    """Too many requests; ``retry_after`` seconds (whole, at least 1) until one is admitted again."""

    code = "rate-limited"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = max(1, retry_after)


STATUS: Final[dict[type[errors.MoorageError], HTTPStatus]] = {
    AuthenticationError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    errors.NotFoundError: HTTPStatus.NOT_FOUND,
    errors.ConflictError: HTTPStatus.CONFLICT,
    PreconditionFailedError: HTTPStatus.PRECONDITION_FAILED,
    PayloadTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedMediaTypeError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.InvalidInputError: HTTPStatus.UNPROCESSABLE_ENTITY,
    RateLimitedError: HTTPStatus.TOO_MANY_REQUESTS,
    errors.UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""Error class -> status; a subclass takes its nearest ancestor's. Others are 500."""

_CODES: Final = {status: error.code for error, status in STATUS.items()} | {
    HTTPStatus.BAD_REQUEST: "bad-request",
    HTTPStatus.METHOD_NOT_ALLOWED: "method-not-allowed",
}
"""Status -> code for refusals of the framework, which knows statuses only."""

_UNAVAILABLE_RETRY_SECONDS: Final = 2


class ProblemField(BaseModel):
    """One field of the request that breaks a rule."""

    field: str
    rule: str


class Problem(BaseModel):
    """An RFC 9457 problem document: the body of every answer from 400 up."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    instance: str | None = None
    errors: list[ProblemField] | None = None

    def response(self, headers: dict[str, str] | None = None) -> Response:
        """Return the problem as a response; it is an ASGI application too, for code without FastAPI."""
        return JSONResponse(self.model_dump(exclude_none=True), self.status, headers, MEDIA_TYPE)


RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": Problem, "content": {MEDIA_TYPE: {}}, "description": HTTPStatus(status).phrase}
    for status in (401, 403, 404, 409, 412, 413, 415, 422, 429, 500, 503)
}
"""OpenAPI entries of every guarded route."""


def problem(code: str, status: int, detail: str, request_id: str) -> Problem:
    """Return the document of a stable code."""
    return Problem(
        type=TYPE_PREFIX + code,
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        request_id=request_id,
    )


def status_of(error: errors.MoorageError) -> HTTPStatus:
    """Return the status of an error: that of its nearest ancestor in ``STATUS``."""
    known = (STATUS[cls] for cls in type(error).__mro__ if cls in STATUS)
    return next(known, HTTPStatus.INTERNAL_SERVER_ERROR)


def headers_of(error: errors.MoorageError) -> dict[str, str]:
    """Return the headers that belong to an error: how to authenticate, when to come back."""
    match error:
        case AuthenticationError():
            return {"WWW-Authenticate": 'Bearer realm="moorage"'}
        case RateLimitedError():
            return {"Retry-After": str(error.retry_after)}
        case errors.TenantSuspendedError():
            return {}  # a person ends it, so no time can be named
        case errors.UnavailableError():
            return {"Retry-After": str(_UNAVAILABLE_RETRY_SECONDS)}
        case _:
            return {}


def respond(error: errors.MoorageError, request_id: str) -> Response:
    """Return the answer to an error; being an ASGI application itself, raw ASGI code awaits it with its arguments."""
    document = problem(error.code, status_of(error), str(error), request_id)
    if isinstance(error, InvalidFieldsError):
        document.errors = [ProblemField(field=each.field, rule=each.rule) for each in error.fields]
    return document.response(headers_of(error))


class InternalError(errors.MoorageError):
    """Something broke on our side; says nothing more, the log does."""

    code: ClassVar[str] = "internal"


def internal() -> InternalError:
    """Return the one error that stands for every exception nobody expected."""
    return InternalError("Something went wrong here; the request id finds it in the log.")


def install(app: FastAPI) -> None:
    """Make FastAPI answer every expected error as a problem; the unexpected are the error boundary's."""
    app.add_exception_handler(errors.MoorageError, _on_moorage_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation_error)


def request_id_of(scope: Any) -> str:
    """Return the request's id from an ASGI scope; empty outside the request-id middleware."""
    return str(scope.get("state", {}).get("request_id", ""))


async def _on_moorage_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, errors.MoorageError):
        raise TypeError from error
    return respond(error, request_id_of(request.scope))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise TypeError from error
    if isinstance(error.__cause__, errors.MoorageError):  # raised as HTTPException only to get past FastAPI
        return respond(error.__cause__, request_id_of(request.scope))
    status = HTTPStatus(error.status_code)
    code = _CODES.get(status, status.phrase.lower().replace(" ", "-"))
    document = problem(code, status, status.description or status.phrase, request_id_of(request.scope))
    return document.response(dict(error.headers or {}))


async def _on_validation_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise TypeError from error
    if any(each["type"] == "json_invalid" for each in error.errors()):
        return respond(errors.InvalidInputError("The body is not JSON."), request_id_of(request.scope))
    fields = tuple(FieldError(_path(each["loc"]), str(each["msg"])) for each in error.errors())
    named = "; ".join(f"{each.field}: {each.rule}" for each in fields)
    return respond(InvalidFieldsError(f"The request is not valid: {named}", fields), request_id_of(request.scope))


def _path(location: tuple[int | str, ...]) -> str:
    """Return a field's path without the part of the request it stands in: ``('body', 'spec', 0)`` -> ``spec.0``."""
    inner = location[1:] if location and location[0] in {"body", "query", "path", "header"} else location
    return ".".join(str(part) for part in inner) or str(location[0] if location else "body")
