"""One real API server for all integration tests, with the CRDs and everything of the chart but its workloads."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from localcluster.controlplane import ControlPlane
from localcluster.gotools import GoTools
from localcluster.layout import cache_root
from tests.support.kube import Kube

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
SYSTEM_NAMESPACE = "moorage-system"
_WORKLOADS = {"Deployment", "Job", "PersistentVolumeClaim", "Service"}


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A running API server and etcd with Moorage's CRDs, roles and admission policies."""
    with ControlPlane.start(tmp_path_factory.mktemp("control-plane")) as running:
        with Kube.of(running) as kube:
            _install(kube)
        yield running


@pytest.fixture(scope="session")
def kube(control_plane: ControlPlane) -> Iterator[Kube]:
    """The administrator's view of it."""
    with Kube.of(control_plane) as kube:
        yield kube


def _install(kube: Kube) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE}}
    assert kube.apply(namespace).is_success
    for manifest in rendered_chart():
        if manifest["kind"] not in _WORKLOADS:
            answer = kube.apply(manifest)
            assert answer.is_success, answer.text
    _wait_for_fence(kube)


def rendered_chart() -> list[dict[str, object]]:
    """Return the chart's objects as Helm renders them with the defaults."""
    helm = str(GoTools(cache_root()).path("helm"))
    argv = [helm, "template", "moorage", str(ROOT / "charts" / "moorage"), "--namespace", SYSTEM_NAMESPACE]
    out = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return [one for one in yaml.safe_load_all(out) if one]


def _wait_for_fence(kube: Kube) -> None:
    """Wait until the policies act and the CRDs are served: both take the API server a moment."""
    operator = kube.service_account(SYSTEM_NAMESPACE, "moorage-operator")
    forbidden = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "not-a-tenant"}}
    tenant = {"apiVersion": "moorage.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": "probe"}}
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        fenced = operator.create(forbidden, dry_run=True).status_code == 422
        if fenced and kube.apply(tenant, dry_run=True).is_success:
            return
        time.sleep(0.2)
    pytest.fail("the admission policies or the CRDs did not become active within 30 s")
