"""Refusals that only the gateway makes, with their HTTP statuses entered into the API's one table."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from moorage_api.errors import STATUS, RateLimitedError
from moorage_crds.errors import InvalidInputError, MoorageError, NotFoundError, UnavailableError


class InvalidPathError(InvalidInputError):
    """The path holds an escape or a name that breaks its rule."""

    code = "invalid-path"


class InvalidFramingError(InvalidInputError):
    """The request's headers do not say clearly where its body ends."""

    code = "invalid-framing"


class MethodRefusedError(MoorageError):
    """The path exists with other methods only."""

    code = "method-not-allowed"

    def __init__(self, allowed: Iterable[str]) -> None:
        self.allowed = ", ".join(sorted(allowed))
        super().__init__(f"expected one of the methods {self.allowed}")


class ModelRefusedError(InvalidInputError):
    """Triton refused the request, as for a wrong shape; the message is Triton's own."""

    code = "model-refused"


class UnknownModelError(NotFoundError):
    """The tenant has no such model, or the model no such version."""

    code = "unknown-model"


class ModelFailedError(MoorageError):
    """Triton took the request and the model failed; the message is Triton's own."""

    code = "model-failed"


class ModelTimeoutError(MoorageError):
    """The model did not answer in time; whether it ran is unknown."""

    code = "timeout"


class NoReplicaError(UnavailableError):
    """No ready replica holds the model now."""

    code = "no-ready-replica"


class ConcurrencyLimitedError(RateLimitedError):
    """The tenant has as many requests in flight as its quota allows."""

    code = "concurrency-limited"


class DrainingError(UnavailableError):
    """This API process is stopping; another one answers."""

    code = "draining"


STATUS.update(
    {
        InvalidPathError: HTTPStatus.BAD_REQUEST,
        InvalidFramingError: HTTPStatus.BAD_REQUEST,
        MethodRefusedError: HTTPStatus.METHOD_NOT_ALLOWED,
        ModelRefusedError: HTTPStatus.BAD_REQUEST,
        ModelFailedError: HTTPStatus.BAD_GATEWAY,
        ModelTimeoutError: HTTPStatus.GATEWAY_TIMEOUT,
    }
)
