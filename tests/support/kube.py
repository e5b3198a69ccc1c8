"""A plain HTTP client of an API server for tests: real requests, any identity, no model in between."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import httpx

from moorage_crds.encoding import as_yaml

if TYPE_CHECKING:
    from localcluster.controlplane import ControlPlane

Manifest = dict[str, Any]


def path_of(manifest: Manifest, *, subresource: str = "") -> str:
    """Return the address of an object, its plural by the rule that every kind of ours follows."""
    group = manifest["apiVersion"]
    root = f"/apis/{group}" if "/" in group else f"/api/{group}"
    kind = manifest["kind"].lower()
    plural = kind[:-1] + "ies" if kind.endswith("y") else kind + ("es" if kind.endswith("s") else "s")
    namespace = manifest["metadata"].get("namespace")
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{scope}/{plural}/{manifest['metadata']['name']}" + (f"/{subresource}" if subresource else "")


@dataclass(frozen=True)
class Kube:
    """An API server as seen by one identity."""

    client: httpx.Client
    headers: tuple[tuple[str, str], ...] = field(default=())

    @classmethod
    def of(cls, control_plane: ControlPlane) -> Kube:
        """Return the administrator's view."""
        context = ssl.create_default_context(cafile=str(control_plane.authority))
        authorization = {"Authorization": f"Bearer {control_plane.token}"}
        return cls(httpx.Client(base_url=control_plane.url, verify=context, headers=authorization, timeout=30))

    def __enter__(self) -> Self:
        """Return the view; leaving the block closes its connections."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.client.close()

    def impersonate(self, user: str, *groups: str, **extra: str) -> Kube:
        """Return the view of another user; ``extra`` keys are ``pod_name`` and ``pod_uid``."""
        headers = [("Impersonate-User", user), *(("Impersonate-Group", one) for one in groups)]
        prefix = "Impersonate-Extra-authentication.kubernetes.io%2f"
        headers += [(prefix + key.replace("_", "-"), value) for key, value in extra.items()]
        return replace(self, headers=tuple(headers))

    def service_account(self, namespace: str, name: str, **extra: str) -> Kube:
        """Return the view of a service account, with the groups that Kubernetes gives it."""
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
        return self.impersonate(f"system:serviceaccount:{namespace}:{name}", *groups, **extra)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request."""
        own = options.pop("headers", {})
        return self.client.request(method, path, headers=[*self.headers, *own.items()], **options)

    def apply(
        self, manifest: Manifest, *, manager: str = "test", subresource: str = "", dry_run: bool = False
    ) -> httpx.Response:
        """Apply on the server's side, strictly and with force."""
        params = {"fieldManager": manager, "fieldValidation": "Strict", "force": "true"}
        params |= {"dryRun": "All"} if dry_run else {}
        headers = {"Content-Type": "application/apply-patch+yaml"}
        path = path_of(manifest, subresource=subresource)
        return self.request("PATCH", path, params=params, content=as_yaml(manifest), headers=headers)

    def create(self, manifest: Manifest, *, dry_run: bool = False) -> httpx.Response:
        """Create an object, strictly."""
        params = {"fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})
        return self.request("POST", path_of(manifest).rpartition("/")[0], params=params, json=manifest)

    def merge(self, manifest: Manifest, change: Manifest) -> httpx.Response:
        """Merge-patch an object."""
        headers = {"Content-Type": "application/merge-patch+json"}
        return self.request("PATCH", path_of(manifest), json=change, headers=headers)

    def get(self, manifest: Manifest) -> httpx.Response:
        """Read an object."""
        return self.request("GET", path_of(manifest))

    def delete(self, manifest: Manifest) -> httpx.Response:
        """Delete an object."""
        return self.request("DELETE", path_of(manifest))
