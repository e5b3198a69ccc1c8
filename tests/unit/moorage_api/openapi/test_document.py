"""The OpenAPI document says what really comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.api import Api


async def document(api: Api) -> dict[str, Any]:
    described: dict[str, Any] = (await api.client.get("/api/v1/openapi.json")).json()
    return described


async def test_every_error_is_a_problem_document(api: Api) -> None:
    answers = [
        answer
        for path in (await document(api))["paths"].values()
        for operation in path.values()
        for status, answer in operation["responses"].items()
        if int(status) >= 400
    ]

    assert len(answers) > 50
    for answer in answers:
        assert answer["content"]["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}
        assert "application/json" not in answer["content"]


async def test_names_of_operations_are_unique(api: Api) -> None:
    operations = [one["operationId"] for path in (await document(api))["paths"].values() for one in path.values()]

    assert len(operations) == len(set(operations))
