from __future__ import annotations

import json

import pytest

from moorage_operator.runtime import apierrors


def answer(**status: object) -> bytes:
    return json.dumps({"kind": "Status", **status}).encode()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, apierrors.InvalidError),
        (401, apierrors.UnauthorizedError),
        (403, apierrors.ForbiddenError),
        (404, apierrors.NotFoundError),
        (409, apierrors.ConflictError),
        (410, apierrors.GoneError),
        (422, apierrors.InvalidError),
        (429, apierrors.TooManyRequestsError),
        (500, apierrors.ServerError),
        (503, apierrors.ServerError),
    ],
)
def test_each_status_is_told_apart(status: int, kind: type[apierrors.ApiError]) -> None:
    error = apierrors.from_response("GET tenants acme", status, answer(reason="Why", message="because"), None)
    assert type(error) is kind
    assert str(error) == f"GET tenants acme: {status} Why: because"


def test_of_a_refused_secret_only_the_reason_is_told() -> None:
    body = answer(reason="Invalid", message='data[key]: Invalid value: "hunter2"')
    assert "hunter2" not in str(apierrors.from_response("POST secrets tenant-acme", 422, body, None))


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), (None, 1.0), ("soon", 1.0), ("-3", 0.0)])
def test_retry_after_is_read_and_has_a_default(header: str | None, seconds: float) -> None:
    error = apierrors.from_response("GET x", 429, b"", header)
    assert isinstance(error, apierrors.TooManyRequestsError)
    assert error.retry_after == seconds


def test_a_proxys_own_words_are_no_reason_to_fail() -> None:
    error = apierrors.from_response("GET x", 502, b"<html>Bad gateway</html>", None)
    assert isinstance(error, apierrors.ServerError)


def test_a_namespace_that_ends_is_a_lost_race_and_no_missing_right() -> None:
    body = answer(reason="Forbidden", details={"causes": [{"reason": "NamespaceTerminating"}]})
    assert isinstance(apierrors.from_response("POST secrets x", 403, body, None), apierrors.ConflictError)


def test_a_watchs_error_event_is_read_like_an_answer() -> None:
    error = apierrors.from_watch("WATCH Tenant", {"code": 410, "reason": "Expired", "message": "too old"})
    assert isinstance(error, apierrors.GoneError)
