"""A control plane for one run: etcd, an API server, and everything of the chart but its workloads.

Separate because each operator gets a fresh one, so that neither lists what the other left behind. There are no
controllers and no node: what is measured is the operator and the API server, and every write is one of theirs.
"""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import yaml

from localcluster.controlplane import ControlPlane
from localcluster.gotools import GoTools
from localcluster.layout import cache_root
from moorage_operator.runtime import resources
from tests.support.kube import Kube

if TYPE_CHECKING:
    from collections.abc import Iterator

Manifest = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
SYSTEM_NAMESPACE = "moorage-system"
_WORKLOADS = {"Deployment", "Job", "PersistentVolumeClaim", "Service"}
_PATIENCE = 60.0
_LOOKS = 10


@contextmanager
def running(folder: Path) -> Iterator[ControlPlane]:
    """Run a control plane with Moorage's CRDs, roles and admission policies; it ends with the block."""
    with ControlPlane.start(folder) as control:
        with Kube.of(control) as kube:
            _install(kube)
        yield control


def operators_kubeconfig(control: ControlPlane, folder: Path) -> Path:
    """Return a kubeconfig with a token of the operator's ServiceAccount, so that it has the chart's rights alone."""
    path = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/serviceaccounts/moorage-operator/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 14400}}
    with Kube.of(control) as kube:
        token = _succeed(kube.request("POST", path, json=body))["status"]["token"]
    config = {
        "current-context": "bench",
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "clusters": [
            {"name": "bench", "cluster": {"server": control.url, "certificate-authority": str(control.authority)}}
        ],
        "users": [{"name": "bench", "user": {"token": token}}],
    }
    file = folder / "operator.kubeconfig"
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(config))
    return file


def _install(kube: Kube) -> None:
    _succeed(kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE}}))
    for manifest in _chart():
        if manifest["kind"] not in _WORKLOADS:
            _succeed(kube.apply(manifest))
    _wait(kube)


def _chart() -> list[Manifest]:
    helm = str(GoTools(cache_root()).path("helm"))
    argv = [helm, "template", "moorage", str(ROOT / "charts" / "moorage"), "--namespace", SYSTEM_NAMESPACE]
    out = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return [one for one in yaml.safe_load_all(out) if one]


def _wait(kube: Kube) -> None:
    """Wait until the admission policies act and the CRDs are served, several looks in a row.

    The API server builds a new CRD's storage anew some moments after it has answered for the first time.
    """
    deadline, good = time.monotonic() + _PATIENCE, 0
    while good < _LOOKS:
        good = good + 1 if _is_ready(kube) else 0
        if time.monotonic() > deadline:
            raise TimeoutError(f"admission policies and CRDs were not there within {_PATIENCE:.0f} s")
        time.sleep(0.2)


def _is_ready(kube: Kube) -> bool:
    account = kube.service_account(SYSTEM_NAMESPACE, "moorage-operator")
    stray = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "stray"}}
    is_fenced = account.create(stray, dry_run=True).status_code == httpx.codes.UNPROCESSABLE_ENTITY
    lists = [kube.request("GET", one.path()) for one in (resources.TENANT, resources.MODEL_DEPLOYMENT)]
    return is_fenced and all(one.is_success for one in lists)


def _succeed(answer: httpx.Response) -> Manifest:
    if not answer.is_success:
        raise RuntimeError(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text}")
    result: Manifest = answer.json()
    return result
