"""The GitOps examples: Argo CD's health check runs, on statuses as the operator writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from lupa import lua51

GITOPS = Path(__file__).resolve().parents[3] / "examples" / "gitops"
KINDS = ("Tenant", "ModelDeployment")
PREFIX = "resource.customizations.health.moorage.dev_"


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((GITOPS / f"{name}.yaml").read_text(encoding="utf-8")))


def thing(*conditions: tuple[str, str, str], observed: int | None = 2, **metadata: Any) -> dict[str, Any]:
    said = [
        {"type": type_, "status": status, "reason": reason, "message": f"{reason}!"}
        for type_, status, reason in conditions
    ]
    status: dict[str, Any] = {"conditions": said} | ({"observedGeneration": observed} if observed else {})
    return {"metadata": {"name": "x", "generation": 2, **metadata}, "status": status}


READY = (("Ready", "True", "Available"), ("Reconciling", "False", "Available"), ("Stalled", "False", "Available"))
LOADING = (("Ready", "False", "Loading"), ("Reconciling", "True", "Loading"), ("Stalled", "False", "Loading"))
FAILED = (("Ready", "False", "LoadFailed"), ("Reconciling", "False", "LoadFailed"), ("Stalled", "True", "LoadFailed"))
PAUSED = (("Ready", "True", "Paused"), ("Stalled", "False", "Paused"))

CASES = {
    "no status yet": ({"metadata": {"generation": 1}}, "Progressing", "Waiting"),
    "a status without conditions": ({"metadata": {"generation": 1}, "status": {}}, "Progressing", "Waiting"),
    "ready": (thing(*READY), "Healthy", "Available!"),
    "ready, said of an older spec": (thing(*READY, observed=1), "Progressing", "Waiting"),
    "ready, said of no spec": (thing(*READY, observed=None), "Progressing", "Waiting"),
    "at work": (thing(*LOADING), "Progressing", "Loading: Loading!"),
    "stalled": (thing(*FAILED), "Degraded", "LoadFailed: LoadFailed!"),
    "stalled before the spec was met": (thing(*FAILED, observed=1), "Degraded", "LoadFailed: LoadFailed!"),
    "paused": (thing(*PAUSED), "Suspended", "Paused!"),
    "being deleted": (thing(*READY, deletionTimestamp="2026-01-01T00:00:00Z"), "Progressing", "deleted"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("found", "status", "words"), CASES.values(), ids=CASES.keys())
def test_argo_cd_sees_health_as_kstatus_does(kind: str, found: dict[str, Any], status: str, words: str) -> None:
    [config] = documents("argocd-health")
    lua = lua51.LuaRuntime()
    lua.globals().obj = lua.table_from(found, recursive=True)
    health = lua.execute(config["data"][PREFIX + kind])
    assert health.status == status
    assert words in health.message


def test_every_kind_has_a_health_check() -> None:
    [config] = documents("argocd-health")
    assert set(config["data"]) == {PREFIX + kind for kind in KINDS}


def test_both_apply_on_the_servers_side_so_that_peoples_fields_stay() -> None:
    [application] = documents("argocd-application")
    assert "ServerSideApply=true" in application["spec"]["syncPolicy"]["syncOptions"]
    models = next(one for one in documents("flux") if one["metadata"]["name"] == "models")
    assert models["spec"]["commonMetadata"]["annotations"] == {"kustomize.toolkit.fluxcd.io/ssa": "Merge"}


def test_flux_makes_models_only_once_their_tenants_are_ready() -> None:
    kustomizations = {
        one["metadata"]["name"]: one["spec"] for one in documents("flux") if one["kind"] != "GitRepository"
    }
    assert all(spec["wait"] for spec in kustomizations.values())
    assert kustomizations["models"]["dependsOn"] == [{"name": "tenants"}]
