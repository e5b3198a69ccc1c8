"""``python -m bench.naive``: the handlers, run by Kopf as its command line would."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import kopf
import kubernetes
from kubernetes import client

from bench.naive import typed
from bench.operators import tenants
from moorage_crds import GROUP, VERSION
from moorage_crds.modeldeployment import ModelDeployment, parse_spec
from moorage_crds.revision import hash8, snapshot
from moorage_crds.tenant import Tenant
from moorage_operator.reconcile.revisions import Revision, manifest

_FIRST = 1


@kopf.on.login()
def login(**arguments: Any) -> Any:
    """Log Kopf in from the kubeconfig."""
    return kopf.login_with_kubeconfig(**arguments)


@kopf.on.resume(GROUP, VERSION, Tenant.PLURAL)
@kopf.on.create(GROUP, VERSION, Tenant.PLURAL)
def tenant_created(body: kopf.Body, patch: kopf.Patch, **_: Any) -> None:
    """Create a tenant's children; what is there already is left alone."""
    for child in tenants.children(_plain(body)):
        typed.create(child)
    patch.status["observedGeneration"] = body["metadata"]["generation"]


@kopf.on.update(GROUP, VERSION, Tenant.PLURAL)
def tenant_updated(body: kopf.Body, patch: kopf.Patch, **_: Any) -> None:
    """Patch a tenant's children."""
    for child in tenants.children(_plain(body)):
        typed.patch(child)
    patch.status["observedGeneration"] = body["metadata"]["generation"]


@kopf.on.resume(GROUP, VERSION, ModelDeployment.PLURAL)
@kopf.on.create(GROUP, VERSION, ModelDeployment.PLURAL)
@kopf.on.update(GROUP, VERSION, ModelDeployment.PLURAL)
def model_changed(body: kopf.Body, patch: kopf.Patch, **_: Any) -> None:
    """Create the revision that a model's spec asks for."""
    model = _plain(body)
    tenant = model["metadata"]["namespace"].removeprefix("tenant-")
    owner: Any = client.CustomObjectsApi().get_cluster_custom_object(
        group=GROUP, version=VERSION, plural=Tenant.PLURAL, name=tenant
    )
    data = snapshot(owner["metadata"]["uid"], model["metadata"]["name"], parse_spec(model))
    typed.create(manifest(Revision(hash8(data), data, _FIRST, intent="Wanted"), model, tenant))
    patch.status["observedGeneration"] = model["metadata"]["generation"]


def _plain(body: kopf.Body) -> dict[str, Any]:
    return dict(body)


def main() -> None:
    """Run until a signal."""
    kopf.configure(verbose=False)
    kubernetes.config.load_kube_config(os.environ["KUBECONFIG"])  # type: ignore[no-untyped-call]
    asyncio.run(kopf.operator(clusterwide=True, standalone=True))


if __name__ == "__main__":
    main()
