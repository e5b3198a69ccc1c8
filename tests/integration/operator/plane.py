"""The control plane as these tests use it: objects to apply, to wait for, and what was asked for in the audit log."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from moorage_crds import names
from tests.integration.conftest import SYSTEM_NAMESPACE, rendered_chart
from tests.support.kube import Kube, path_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from localcluster.controlplane import ControlPlane

Manifest = dict[str, Any]

USER = f"system:serviceaccount:{SYSTEM_NAMESPACE}:moorage-operator"
WRITES = {"create", "update", "patch", "delete", "deletecollection"}
_WORKLOADS = {"Deployment", "Job", "PersistentVolumeClaim", "Service"}
_QUIET = 1.5


def tenant(name: str, **spec: Any) -> Manifest:
    return {"apiVersion": "moorage.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": name}, "spec": spec}


def child(api_version: str, kind: str, tenant_name: str, name: str) -> Manifest:
    namespace = names.tenant_namespace(tenant_name)
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}}


def namespace(tenant_name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.tenant_namespace(tenant_name)}}


@dataclass(frozen=True)
class Asked:
    """One request of the operator, as the audit log has it."""

    verb: str
    group: str
    resource: str
    namespace: str
    name: str
    subresource: str
    code: int
    program: str
    """The client's User-Agent."""

    @property
    def is_bookkeeping(self) -> bool:
        """Tell the Lease and Events from the work itself."""
        return self.resource in ("leases", "events")


@dataclass(frozen=True)
class Plane:
    """A running control plane."""

    control: ControlPlane
    kube: Kube
    audit: Path

    def install(self) -> None:
        """Apply the chart but its workloads, and wait until the operator's fence stands and the CRDs are served."""
        system = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE}}
        assert self.kube.apply(system).is_success
        for manifest in rendered_chart():
            if manifest["kind"] not in _WORKLOADS:
                answer = self.kube.apply(manifest)
                assert answer.is_success, answer.text
        account = self.kube.service_account(SYSTEM_NAMESPACE, "moorage-operator")
        stray = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "stray"}}
        self.wait(lambda: account.create(stray, dry_run=True).status_code == 422, "the operator's fence")
        self.wait(lambda: self.kube.apply(tenant("probe"), dry_run=True).is_success, "the CRDs")

    def operators_kubeconfig(self, folder: Path, url: str | None = None) -> Path:
        """Return a kubeconfig with a token of the operator's ServiceAccount."""
        path = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/serviceaccounts/moorage-operator/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        answer = self.kube.request("POST", path, json=request)
        assert answer.is_success, answer.text
        user = {"token": answer.json()["status"]["token"]}
        cluster = {"server": url or self.control.url, "certificate-authority": str(self.control.authority)}
        config = {
            "current-context": "x",
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            "clusters": [{"name": "x", "cluster": cluster}],
            "users": [{"name": "x", "user": user}],
        }
        file = folder / "kubeconfig"
        file.write_text(yaml.safe_dump(config))
        return file

    def apply(self, manifest: Manifest) -> Manifest:
        """Apply an object and return it."""
        answer = self.kube.apply(manifest)
        assert answer.is_success, answer.text
        applied: Manifest = answer.json()
        return applied

    def read(self, manifest: Manifest) -> Manifest | None:
        """Return an object, or None."""
        answer = self.kube.get(manifest)
        assert answer.status_code in (200, 404), answer.text
        return answer.json() if answer.is_success else None

    def uid(self, manifest: Manifest) -> str | None:
        """Return an object's UID, or None."""
        found = self.read(manifest)
        return found["metadata"]["uid"] if found else None

    def condition(self, manifest: Manifest, kind: str) -> tuple[str, str] | None:
        """Return a condition's status and reason."""
        found = self.read(manifest) or {}
        given = (found.get("status") or {}).get("conditions") or ()
        return next(((one["status"], one["reason"]) for one in given if one["type"] == kind), None)

    def children(self, tenant_name: str) -> set[str]:
        """Return ``kind/name`` of everything in the tenant namespace that carries the tenant's label."""
        found = set()
        for group, plurals in _CHILDREN.items():
            for plural in plurals:
                path = f"{group}/namespaces/{names.tenant_namespace(tenant_name)}/{plural}"
                answer = self.kube.request("GET", path, params={"labelSelector": f"moorage.dev/tenant={tenant_name}"})
                found |= {f"{plural}/{one['metadata']['name']}" for one in answer.json()["items"]}
        return found

    def wait(self, ready: Callable[[], Any], what: str, seconds: float = 20) -> None:
        """Wait until ``ready`` is true."""
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline:
                pytest.fail(f"{what} did not come within {seconds} s")
            time.sleep(0.05)

    def settle(self, seconds: float = 30) -> None:
        """Wait until the operator has asked for nothing but its bookkeeping for a while."""
        deadline, seen, since = time.monotonic() + seconds, -1, time.monotonic()
        while time.monotonic() < deadline:
            count = sum(not one.is_bookkeeping and one.verb in WRITES for one in self.asked())
            if count != seen:
                seen, since = count, time.monotonic()
            elif time.monotonic() - since > _QUIET:
                return
            time.sleep(0.1)
        pytest.fail(f"the operator still wrote after {seconds} s")

    def wait_for_kopf(self, since: int) -> None:
        """Wait until Kopf has asked what there is and listed both kinds; it begins when the operator has its place."""
        kinds = {"tenants", "modeldeployments"}

        def listed() -> set[str]:
            return {one.resource for one in self.requests(since) if one.verb == "list" and "kopf" in one.program}

        self.wait(lambda: listed() >= kinds, "Kopf's lists")

    def mark(self) -> int:
        """Return the end of the audit log, to read from there later."""
        return self.audit.stat().st_size

    def asked(self, since: int = 0) -> list[Asked]:
        """Return the operator's requests since a mark, but watches and lists of whole kinds."""
        return [one for one in self.requests(since) if one.verb not in ("watch", "list")]

    def writes(self, since: int, tenant_name: str | None = None) -> list[Asked]:
        """Return the operator's writes since a mark, bookkeeping apart, of one tenant or of all."""
        found = [one for one in self.asked(since) if one.verb in WRITES and not one.is_bookkeeping]
        if tenant_name is None:
            return found
        own = names.tenant_namespace(tenant_name)
        return [one for one in found if own in (one.namespace, one.name) or one.name == tenant_name]

    def requests(self, since: int) -> Iterator[Asked]:
        """Yield every request of the operator's since a mark; a watch is told of when it ends."""
        with self.audit.open("rb") as file:
            file.seek(since)
            lines = file.read().splitlines()
        for line in lines:
            entry = _decode(line)
            if entry and entry["user"]["username"] == USER and entry["stage"] == "ResponseComplete":
                about = entry.get("objectRef") or {}
                yield Asked(
                    entry["verb"],
                    about.get("apiGroup", ""),
                    about.get("resource", ""),
                    about.get("namespace", ""),
                    about.get("name", ""),
                    about.get("subresource", ""),
                    entry["responseStatus"]["code"],
                    entry.get("userAgent", ""),
                )


_CHILDREN = {
    "/api/v1": ("resourcequotas", "limitranges", "serviceaccounts", "services", "secrets"),
    "/apis/networking.k8s.io/v1": ("networkpolicies",),
    "/apis/rbac.authorization.k8s.io/v1": ("roles", "rolebindings"),
    "/apis/policy/v1": ("poddisruptionbudgets",),
    "/apis/apps/v1": ("deployments", "statefulsets"),
}


def _decode(line: bytes) -> Manifest | None:
    """Return an audit entry, or None for a line still being written."""
    try:
        entry: Manifest = json.loads(line)
    except ValueError:
        return None
    return entry


__all__ = ["Asked", "Manifest", "Plane", "child", "namespace", "path_of", "tenant"]
