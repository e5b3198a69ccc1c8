"""Probes: alive without anything, ready only with everything."""

from __future__ import annotations

from tests.support.api import Api


async def test_alive_needs_nothing(api: Api) -> None:
    assert (await api.client.get("/healthz")).json() == {"status": "alive"}


async def test_not_ready_before_the_cluster_was_listed(api: Api) -> None:
    answer = await api.client.get("/readyz")

    assert answer.status_code == 503
    assert "cluster" in answer.json()["detail"]
