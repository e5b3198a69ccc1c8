"""Request ids, access lines and metrics around every request."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from moorage_api.observability import logs
from tests.support.api import PASSWORD, Api

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logs.configure("INFO", stream)
    handler.addFilter(lambda record: record.name != "httpx")  # the tests' own client
    yield stream
    logging.getLogger().removeHandler(handler)


def access(stream: io.StringIO) -> list[dict[str, Any]]:
    entries = [json.loads(line) for line in stream.getvalue().splitlines()]
    return [entry for entry in entries if entry["logger"] == "moorage.access"]


async def test_a_sane_request_id_is_kept(api: Api) -> None:
    answer = await api.client.get("/healthz", headers={"X-Request-ID": "build-4711.step_2"})

    assert answer.headers["x-request-id"] == "build-4711.step_2"


@pytest.mark.parametrize("given", ["short", "x" * 65, "with space here", 'quote"quote', "läßt-nicht-zu"])
async def test_any_other_is_replaced(api: Api, given: str) -> None:
    answer = await api.client.get("/healthz", headers=[(b"X-Request-ID", given.encode())])

    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 32


async def test_the_access_line_tells_who_asked_for_what(api: Api, lines: io.StringIO) -> None:
    headers = await api.signed_in(await api.user("alice"))
    answer = await api.client.get("/api/v1/tenants/acme?secret=hunter2", headers=headers)

    (line,) = access(lines)
    assert line["route"] == "/api/v1/tenants/{tenant}"
    assert line["path"] == "/api/v1/tenants/acme"
    assert line["status"] == 503
    assert line["subject"] == "alice"
    assert line["request_id"] == answer.headers["x-request-id"]
    assert "hunter2" not in lines.getvalue()


async def test_no_secret_reaches_the_log(api: Api, lines: io.StringIO) -> None:
    await api.user_with_password("alice")
    answer = await api.client.post("/api/v1/auth/login", json={"name": "alice", "password": PASSWORD})
    token = answer.json()["access_token"]
    await api.client.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})

    assert len(access(lines)) == 2
    assert PASSWORD not in lines.getvalue()
    assert token not in lines.getvalue()


async def test_requests_are_counted_by_route_template_and_status(api: Api) -> None:
    for name in ("one", "two"):
        await api.client.get(f"/api/v1/tenants/{name}")
    await api.client.get("/api/v1/nothing/here")
    await api.client.request("BREW", "/healthz")

    def count(method: str, route: str, status: str) -> float | None:
        labels = {"method": method, "route": route, "status": status}
        return api.services.registry.get_sample_value("moorage_api_http_requests_total", labels)

    assert count("GET", "/api/v1/tenants/{tenant}", "401") == 2
    assert count("GET", "unmatched", "404") == 1
    assert count("OTHER", "/healthz", "405") == 1
    assert api.services.registry.get_sample_value("moorage_api_http_requests_in_progress") == 0


async def test_every_answer_carries_the_security_headers(api: Api) -> None:
    for path in ("/healthz", "/api/v1/nothing", "/api/v1/me"):
        headers = (await api.client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
