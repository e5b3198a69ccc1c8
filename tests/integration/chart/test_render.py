"""The chart renders what a real API server takes, and refuses values that could not work."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from localcluster.gotools import GoTools
from localcluster.layout import cache_root
from moorage_api.settings import Settings as ApiSettings
from moorage_crds import names
from moorage_operator.reconcile import Proxy, TenantRules
from moorage_operator.runtime.process import reconcile_settings
from moorage_operator.settings import Settings

if TYPE_CHECKING:
    from tests.support.kube import Kube, Manifest

CHART = Path(__file__).resolve().parents[3] / "charts" / "moorage"
SYSTEM = "moorage-system"


def _helm(*values: str) -> subprocess.CompletedProcess[str]:
    helm = str(GoTools(cache_root()).path("helm"))
    argv = [helm, "template", "moorage", str(CHART), "--namespace", SYSTEM, *(f"--set={one}" for one in values)]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def _rendered(*values: str) -> list[Manifest]:
    done = _helm(*values)
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def _templates(manifests: list[Manifest]) -> list[Manifest]:
    return [one["spec"]["template"]["spec"] for one in manifests if one["kind"] in ("Deployment", "Job")]


def test_an_api_server_takes_every_object(kube: Kube) -> None:
    for manifest in _rendered():
        answer = kube.apply(manifest, manager="render", dry_run=True)
        assert answer.is_success, answer.text
        assert "warning" not in answer.headers, answer.headers


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("api.replicas=2", "/api/replicas"),
        ("nonsense=1", "nonsense"),
        ("images.pullPolicy=Sometimes", "/images/pullPolicy"),
        ("network.clusterCIDRs={here}", "/network/clusterCIDRs"),
        ("tenants.allowedImages={registry.example}", "/tenants/allowedImages"),
        ("tenants.allowedStorageClasses={Not A Name}", "/tenants/allowedStorageClasses"),
        ("tenants.caBundle=none", "/tenants/caBundle"),
        ("operator.upgradeBudget=0", "/operator/upgradeBudget"),
        ("agent.proxy.httpsProxy=http://user:password@proxy:3128", "/agent/proxy/httpsProxy"),
        ("agent.proxy.httpsProxy=https://proxy:3128", "/agent/proxy/httpsProxy"),
    ],
)
def test_values_that_could_not_work_are_refused(value: str, words: str) -> None:
    done = _helm(value)
    assert done.returncode != 0
    assert words in done.stderr


def test_every_pod_meets_the_restricted_standard(kube: Kube) -> None:
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "restricted", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }
    assert kube.apply(namespace).is_success
    pods = _templates(_rendered())
    assert len(pods) == 3
    for number, spec in enumerate(pods):
        name = {"name": f"pod-{number}", "namespace": "restricted"}
        plain = {**spec, "serviceAccountName": "default"}
        _ensure_account(kube)
        answer = kube.create({"apiVersion": "v1", "kind": "Pod", "metadata": name, "spec": plain}, dry_run=True)
        assert answer.is_success, answer.text


def _ensure_account(kube: Kube) -> None:
    """Make the account that no controller makes here."""
    metadata = {"name": "default", "namespace": "restricted"}
    assert kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}).is_success


def test_images_come_from_the_values() -> None:
    manifests = _rendered("images.triton.repository=here/triton", "images.triton.tag=v1", "images.api.tag=v2")
    environment = {
        one["name"]: one.get("value") for pod in _templates(manifests) for one in pod["containers"][0].get("env", [])
    }
    assert environment["MOORAGE_TRITON_IMAGE"] == "here/triton:v1"
    assert {pod["containers"][0]["image"] for pod in _templates(manifests)} == {
        "moorage/api:v2",
        "moorage/operator:0.1.0",
    }


def test_what_the_platform_allows_reaches_the_operator() -> None:
    manifests = _rendered(
        "tenants.allowedStorageClasses={fast,slow}",
        "tenants.allowedRuntimeClasses={gvisor}",
        "tenants.pythonNeedsRuntimeClass=true",
        "tenants.pullSecrets={registry}",
        "tenants.caBundle=-----BEGIN CERTIFICATE-----",
    )
    assert reconcile_settings(_operators_settings(manifests)).tenants == TenantRules(
        storage_classes=("fast", "slow"),
        runtime_classes=("gvisor",),
        python_needs_runtime_class=True,
        pull_secrets=("registry",),
        ca_bundle="-----BEGIN CERTIFICATE-----",
    )
    assert reconcile_settings(_operators_settings(_rendered())).tenants == TenantRules()


def test_the_api_runs_under_the_account_that_the_operator_grants_rights_to() -> None:
    (pod,) = [one for one in _templates(_rendered()) if one["containers"][0].get("args") == ["serve"]]
    assert pod["serviceAccountName"] == names.API_SERVICE_ACCOUNT


@pytest.mark.parametrize("bundle", ["", "-----BEGIN CERTIFICATE-----"])
def test_the_platforms_authorities_reach_the_api(bundle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (pod,) = [
        one
        for one in _templates(_rendered(f"tenants.caBundle={bundle}"))
        if one["containers"][0].get("args") == ["serve"]
    ]
    for one in pod["containers"][0]["env"]:
        monkeypatch.setenv(one["name"], one["value"])
    assert ApiSettings().ca_bundle == bundle


def test_the_budget_of_upgrades_and_the_agents_proxy_reach_the_operator() -> None:
    settings = _operators_settings(
        _rendered(
            "operator.upgradeBudget=3",
            "agent.proxy.httpsProxy=http://proxy.corp:3128",
            "agent.proxy.noProxy={corp,10.0.0.0/8}",
            "agent.proxy.cidrs={192.0.2.7/32}",
        )
    )
    assert settings.upgrade_budget == 3
    proxy = Proxy(url="http://proxy.corp:3128", past=("corp", "10.0.0.0/8"), cidrs=("192.0.2.7/32",))
    assert reconcile_settings(settings).proxy == proxy
    assert reconcile_settings(_operators_settings(_rendered())).proxy == Proxy()


def _operators_settings(manifests: list[Manifest]) -> Settings:
    """Return what the operator reads from the environment that the chart gives it."""
    (pod,) = [one for one in _templates(manifests) if one["containers"][0]["name"] == "operator"]
    return Settings.from_environment({one["name"]: one.get("value", "") for one in pod["containers"][0]["env"]})


def test_an_uninstall_keeps_definitions_and_data() -> None:
    kept = [one for one in _rendered() if one["kind"] in ("CustomResourceDefinition", "PersistentVolumeClaim")]
    assert len(kept) == 3
    assert {one["metadata"]["annotations"]["helm.sh/resource-policy"] for one in kept} == {"keep"}


def test_no_rule_has_a_wildcard_or_a_right_to_escalate() -> None:
    rules = [rule for one in _rendered() if one["kind"] in ("ClusterRole", "Role") for rule in one["rules"]]
    assert rules
    for rule in rules:
        words = {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
        assert not words & {"*", "escalate", "impersonate"}
        if "bind" in rule["verbs"]:
            assert all(name.startswith("moorage-tenant-") for name in rule["resourceNames"])
        if "secrets" in rule["resources"] and {"get", "list", "watch"} & {*rule["verbs"]}:
            assert rule.get("resourceNames") or rule == _GRANTED


_GRANTED = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
"""What the operator must hold inside tenant namespaces to grant it, name by name, to the agents there."""


def test_secrets_without_a_name_are_read_in_tenant_namespaces_alone() -> None:
    roles = [one for one in _rendered() if one["kind"] in ("ClusterRole", "Role") and _GRANTED in one["rules"]]
    assert [one["metadata"]["name"] for one in roles] == ["moorage-tenant-operator"]
    bound = [one["roleRef"]["name"] for one in _rendered() if one["kind"].endswith("RoleBinding")]
    assert "moorage-tenant-operator" not in bound


def test_the_operator_finds_each_api_process_behind_the_metrics_service() -> None:
    rendered = _rendered()
    service = next(one for one in rendered if one["kind"] == "Service" and one["metadata"]["name"] == names.API_METRICS)
    api = next(one for one in rendered if one["kind"] == "Deployment" and one["metadata"]["name"] == "moorage-api")
    template = api["spec"]["template"]
    (port,) = service["spec"]["ports"]
    assert service["metadata"]["namespace"] == api["metadata"]["namespace"]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert port["targetPort"] in {one["name"] for one in template["spec"]["containers"][0]["ports"]}
