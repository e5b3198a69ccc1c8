"""Every refusal is a problem document that says its own status, a stable code and the request's id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from moorage_api import errors
from moorage_crds.errors import (
    ConflictError,
    InvalidInputError,
    ManagedElsewhereError,
    MoorageError,
    NotFoundError,
    UnavailableError,
    UnsafePathError,
)

if TYPE_CHECKING:
    import httpx

    from tests.support.api import Api


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.AuthenticationError("x"), 401),
        (errors.ForbiddenError("x"), 403),
        (NotFoundError("x"), 404),
        (ConflictError("x"), 409),
        (ManagedElsewhereError("x"), 409),
        (errors.PreconditionFailedError("x"), 412),
        (errors.PayloadTooLargeError("x"), 413),
        (errors.UnsupportedMediaTypeError("x"), 415),
        (InvalidInputError("x"), 422),
        (UnsafePathError("x"), 422),
        (errors.RateLimitedError("x", 3), 429),
        (errors.internal(), 500),
        (UnavailableError("x"), 503),
    ],
)
def test_each_error_has_its_status(error: MoorageError, status: int) -> None:
    assert errors.status_of(error) == status


def check(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["status"] == status
    assert body["code"] == code
    assert body["type"] == f"https://moorage.dev/problems/{code}"
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


async def test_an_unknown_path_is_a_problem(api: Api) -> None:
    check(await api.client.get("/api/v1/nothing"), 404, "not-found")


async def test_a_wrong_method_is_a_problem_that_names_the_right_ones(api: Api) -> None:
    answer = await api.client.delete("/api/v1/me")

    check(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "GET"


async def test_no_credential_is_a_problem(api: Api) -> None:
    check(await api.client.get("/api/v1/me"), 401, "unauthenticated")


async def test_a_body_that_is_announced_too_large_is_a_problem(api: Api) -> None:
    body = b"x" * (api.services.settings.max_body_bytes + 1)

    check(await api.client.post("/api/v1/auth/login", content=body), 413, "payload-too-large")


async def test_a_body_that_comes_too_large_is_the_same_problem(api: Api) -> None:
    async def endless() -> Any:
        for _ in range(3):
            yield b"x" * (api.services.settings.max_body_bytes // 2)

    headers = {"Content-Type": "application/json"}
    answer = await api.client.post("/api/v1/auth/login", content=endless(), headers=headers)

    assert "bytes" in check(answer, 413, "payload-too-large")["detail"]


async def test_objects_in_bulk_may_be_larger(api: Api) -> None:
    body = b"x" * (api.services.settings.max_body_bytes + 1)

    check(await api.client.post("/api/v1/tenants/acme/collections/docs/objects", content=body), 401, "unauthenticated")
    answer = await api.client.post("/api/v1/tenants/acme/collections", content=body)
    check(answer, 413, "payload-too-large")


async def test_a_body_of_another_type_is_a_problem(api: Api) -> None:
    check(await api.client.post("/api/v1/auth/login", data={"name": "x"}), 415, "unsupported-media-type")


async def test_a_body_that_is_no_json_is_a_problem(api: Api) -> None:
    headers = {"Content-Type": "application/json"}
    check(await api.client.post("/api/v1/auth/login", content=b"{", headers=headers), 422, "invalid-input")


async def test_a_wrong_field_is_a_problem_that_names_it(api: Api) -> None:
    answer = await api.client.post("/api/v1/auth/login", json={"name": "x", "pasword": "y"})

    fields = {each["field"] for each in check(answer, 422, "invalid-input")["errors"]}
    assert fields == {"password", "pasword"}


async def test_a_wrong_query_is_a_problem(api: Api) -> None:
    headers = await api.signed_in(await api.user("alice"))

    check(await api.client.get("/api/v1/tenants?limit=0", headers=headers), 422, "invalid-input")
    check(await api.client.get("/api/v1/tenants?cursor=%21", headers=headers), 422, "invalid-input")


async def test_an_absent_cluster_is_a_problem_that_may_be_tried_again(api: Api) -> None:
    headers = await api.signed_in(await api.user("root", "admin"))
    answer = await api.client.post("/api/v1/tenants", headers=headers, json={"name": "acme"})

    check(answer, 503, "unavailable")
    assert answer.headers["retry-after"]


async def test_an_unexpected_exception_is_a_problem_that_says_nothing(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    headers = await api.signed_in(await api.user("alice"))
    # A table that is gone stands for everything that nobody expects.
    async with api.services.database.write() as sql:
        await (await sql.connection()).exec_driver_sql("DROP TABLE sessions")

    answer = await api.client.get("/api/v1/me", headers=headers)

    body = check(answer, 500, "internal")
    assert "sessions" not in answer.text
    assert any(body["request_id"] in record.getMessage() for record in caplog.records)
