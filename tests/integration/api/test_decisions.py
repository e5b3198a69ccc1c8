"""Decisions about a model that Git holds, through the API and on a real API server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.api.conftest import eventually
from tests.integration.api.test_models import SPEC, manifest, models

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.api import Api
    from tests.support.kube import Kube

Headers = dict[str, str]
ONE, TWO, THREE = "1" * 8, "2" * 8, "3" * 8
GIT = "flux"


@pytest.fixture
async def tenant(name: str, kube: Kube, api: Api, tenant_of_kubectl: Callable[..., Any]) -> str:
    """A tenant whose model comes from Git and has a canary."""
    await tenant_of_kubectl(name)
    assert kube.apply(
        {**manifest(name), "spec": {**SPEC, "rollout": {"canary": {"weight": 10}}}}, manager=GIT
    ).is_success
    status = {"stableRevision": TWO, "candidateRevision": THREE, "previousRevision": ONE}
    said = {**manifest(name), "status": status}
    assert kube.apply(said, manager="moorage-operator", subresource="status").is_success
    await eventually(lambda: (api.services.cache.model(f"tenant-{name}", "m") or {}).get("status"))
    return name


def rollout(kube: Kube, tenant: str) -> dict[str, Any]:
    found: dict[str, Any] = kube.get(manifest(tenant)).json()["spec"]["rollout"]
    return found


@pytest.mark.parametrize("action", ["Promote", "Abort"])
async def test_a_decision_survives_a_re_apply_from_git(
    api: Api, admin: Headers, kube: Kube, tenant: str, action: str
) -> None:
    answer = await api.client.post(f"{models(tenant)}/m/{action.lower()}", headers=admin, json={})

    assert answer.status_code == 200, answer.text
    decision = {"revision": THREE, "action": action}
    assert answer.json()["spec"]["rollout"]["decision"] == decision
    assert (await api.client.get(f"{models(tenant)}/m", headers=admin)).json() == answer.json()
    again = {**manifest(tenant), "spec": {**SPEC, "rollout": {"canary": {"weight": 20}}}}
    assert kube.apply(again, manager=GIT).is_success
    assert rollout(kube, tenant) == {"strategy": "Overlap", "canary": {"weight": 20}, "decision": decision}


async def test_a_rollback_survives_a_re_apply_from_git_and_ends_when_told(
    api: Api, admin: Headers, kube: Kube, tenant: str
) -> None:
    pinned = await api.client.post(f"{models(tenant)}/m/rollback", headers=admin, json={"revision": ONE})
    assert pinned.status_code == 200, pinned.text
    assert kube.apply({**manifest(tenant), "spec": SPEC}, manager=GIT).is_success
    assert rollout(kube, tenant) == {"strategy": "Overlap", "pin": ONE}

    refused = await api.client.post(f"{models(tenant)}/m/promote", headers=admin, json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "no-revision")

    ended = await api.client.delete(f"{models(tenant)}/m/rollback", headers=admin)
    assert ended.status_code == 200, ended.text
    assert "pin" not in rollout(kube, tenant)
    assert kube.get(manifest(tenant)).json()["spec"]["source"] == SPEC["source"]


async def test_a_decision_keeps_what_the_api_has_written_before(
    api: Api, admin: Headers, kube: Kube, name: str, tenant_of_kubectl: Callable[..., Any]
) -> None:
    await tenant_of_kubectl(name)
    spec = {**SPEC, "config": {"inputs": [{"name": "A", "dataType": "TYPE_FP32", "dims": [1]}]}}
    await api.client.post(models(name), headers=admin, json={"name": "m", "spec": spec})
    before = kube.get(manifest(name)).json()["spec"]

    answer = await api.client.post(f"{models(name)}/m/rollback", headers=admin, json={"revision": ONE})

    assert answer.status_code == 200, answer.text
    assert kube.get(manifest(name)).json()["spec"] == {**before, "rollout": {**before["rollout"], "pin": ONE}}
    replaced = await api.client.put(f"{models(name)}/m", headers=admin, json={"spec": spec})
    assert "pin" not in replaced.json()["spec"]["rollout"]


async def test_a_decision_about_an_older_state_is_refused(api: Api, admin: Headers, kube: Kube, tenant: str) -> None:
    stale = {**admin, "If-Match": '"another.1"'}
    answer = await api.client.post(f"{models(tenant)}/m/promote", headers=stale, json={})
    assert answer.status_code == 412
    assert "decision" not in rollout(kube, tenant)


async def test_somebody_elses_decision_is_not_taken_over(api: Api, admin: Headers, kube: Kube, tenant: str) -> None:
    mine = {"decision": {"revision": THREE, "action": "Abort"}}
    assert kube.apply({**manifest(tenant), "spec": {"rollout": mine}}, manager="alice").is_success

    answer = await api.client.post(f"{models(tenant)}/m/promote", headers=admin, json={})

    assert (answer.status_code, answer.json()["code"]) == (409, "managed-elsewhere")
    assert "alice manages spec.rollout.decision.action" in answer.json()["detail"]
    assert rollout(kube, tenant)["decision"]["action"] == "Abort"


async def test_a_revision_that_is_none_is_refused(api: Api, admin: Headers, tenant: str) -> None:
    answer = await api.client.post(f"{models(tenant)}/m/rollback", headers=admin, json={"revision": "latest"})
    assert answer.status_code == 422
