"""Refusals: a problem document for everybody, and the field that ``tritonclient`` reads."""

from __future__ import annotations

import orjson
import pytest

from moorage_api.errors import AuthenticationError, ForbiddenError, PayloadTooLargeError
from moorage_api.gateway import errors
from moorage_api.gateway.answers import refusal
from moorage_crds.errors import MoorageError, NotFoundError, UnavailableError

STATUSES = [
    (AuthenticationError("x"), 401),
    (ForbiddenError("x"), 403),
    (NotFoundError("x"), 404),
    (PayloadTooLargeError("x"), 413),
    (UnavailableError("x"), 503),
    (errors.InvalidPathError("x"), 400),
    (errors.InvalidFramingError("x"), 400),
    (errors.MethodRefusedError(["POST", "GET"]), 405),
    (errors.ModelRefusedError("x"), 400),
    (errors.UnknownModelError("x"), 404),
    (errors.ModelFailedError("x"), 502),
    (errors.ModelTimeoutError("x"), 504),
    (errors.NoReplicaError("x"), 503),
    (errors.DrainingError("x"), 503),
]


@pytest.mark.parametrize(("error", "status"), STATUSES, ids=lambda value: type(value).__name__)
def test_each_refusal_has_its_status(error: MoorageError, status: int) -> None:
    answer = refusal(error, "r1")
    assert answer.status == status
    assert orjson.loads(answer.body)["status"] == status


def test_a_refusal_is_a_problem_that_tritonclient_understands() -> None:
    answer = refusal(errors.ModelRefusedError("unexpected shape"), "r1")
    assert orjson.loads(answer.body) == {
        "type": "https://moorage.dev/problems/model-refused",
        "title": "Bad Request",
        "status": 400,
        "detail": "unexpected shape",
        "code": "model-refused",
        "request_id": "r1",
        "error": "unexpected shape",
    }
    assert dict(answer.headers)[b"content-type"] == b"application/problem+json"
    assert dict(answer.headers)[b"content-length"] == str(len(answer.body)).encode()


def test_what_may_be_repeated_says_when() -> None:
    assert int(dict(refusal(errors.NoReplicaError("x"), "r1").headers)[b"retry-after"]) >= 1


def test_a_refused_method_names_the_others() -> None:
    assert dict(refusal(errors.MethodRefusedError(["POST", "GET"]), "r1").headers)[b"allow"] == b"GET, POST"
