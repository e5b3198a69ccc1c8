"""Valid objects to start from; a test states only what differs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from moorage_crds import API_VERSION, labels
from moorage_operator.reconcile import Action, Settings, reconcile_tenant
from tests.unit.moorage_operator.reconcile.fake_cluster import FakeCluster

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)

SETTINGS = Settings(
    system_namespace="moorage-system",
    operator_service_account="moorage-operator",
    triton_image="registry.example/triton:1",
    agent_image="registry.example/agent:1",
    weaviate_image="registry.example/weaviate:1",
    image_pull_policy="IfNotPresent",
    dns_namespace="kube-system",
    cluster_cidrs=("10.244.0.0/16", "10.96.0.0/12", "100.96.0.0/11"),
)


def tenant(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": "Tenant", "metadata": {"name": "acme"}, "spec": spec}


def model(name: str = "digits", **spec: Any) -> dict[str, Any]:
    defaults = {"backend": "onnxruntime", "source": source("one")}
    metadata = {"name": name, "namespace": "tenant-acme"}
    return {"apiVersion": API_VERSION, "kind": "ModelDeployment", "metadata": metadata, "spec": defaults | spec}


def claim(size: str = "10Gi", number: int = 0, phase: str = "Bound") -> dict[str, Any]:
    """Return a volume claim as the vector store's StatefulSet makes it."""
    marks = {labels.TENANT: "acme", labels.MANAGED_BY: "moorage"}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": f"data-weaviate-{number}", "namespace": "tenant-acme", "labels": marks},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
        "status": {"phase": phase},
    }


def source(content: str) -> dict[str, Any]:
    return {"inline": {"files": {"1/model.onnx": content}}}


def foreign_namespace(**metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tenant-acme"} | metadata}


def pass_once(
    cluster: FakeCluster, now: datetime = NOW, failure: str | None = None, settings: Settings = SETTINGS
) -> tuple[Action, ...]:
    """Reconcile and execute once; returns what was executed."""
    actions = reconcile_tenant(cluster.world(), settings, now, failure, make_key=lambda: "key")
    cluster.execute(actions)
    return actions


def keys(actions: tuple[Action, ...]) -> list[str]:
    return [action.key for action in actions]


def steady(**spec: Any) -> FakeCluster:
    """Return a cluster in which a tenant has come up and nothing is left to do."""
    cluster = FakeCluster()
    cluster.add(tenant(**spec))
    pass_once(cluster)
    cluster.roll_out()
    pass_once(cluster)
    pass_once(cluster)
    return cluster


def serving(revision_content: str = "one", *pods: str, **spec: Any) -> tuple[FakeCluster, str]:
    """Return a cluster whose model serves on its pods, and the revision's hash."""
    cluster = steady(inference={"pythonBackend": "Enabled"})
    cluster.set_pods(*(pods or ("triton-a",)))
    cluster.add(model(source=source(revision_content), **spec))
    return cluster, promote(cluster)


def promote(cluster: FakeCluster, now: datetime = NOW) -> str:
    """Let every pod load what the model's spec asks for, and what it replaces drain; returns its hash."""
    pass_once(cluster, now)
    found = status(cluster)
    target: str = found.get("candidateRevision") or found["stableRevision"]
    for pod, _, _ in cluster.pods:
        load(cluster, pod, target)
    pass_once(cluster, now)
    pass_once(cluster, now)
    return target


def load(
    cluster: FakeCluster, pod: str, revision: str, state: str = "Loaded", message: str = "", **more: str | None
) -> None:
    """Let a pod's agent say something of one revision besides what it said of others."""
    said = [entry for entry in status(cluster).get("replicas", []) if entry["pod"] == pod]
    held = [(item["name"], item["state"], item["message"]) for entry in said for item in entry["revisions"]]
    others = [item for item in held if item[0] != revision]
    cluster.report("digits", pod, *others, (revision, state, message))
    (entry,) = [entry for entry in status(cluster)["replicas"] if entry["pod"] == pod]
    entry["revisions"][-1] |= {key: value for key, value in more.items() if value is not None}


def status(cluster: FakeCluster, kind: str = "ModelDeployment", name: str = "digits") -> dict[str, Any]:
    found: dict[str, Any] = cluster.get(kind, name).get("status", {})
    return found


def condition(found: dict[str, Any], kind: str = "Ready") -> dict[str, Any]:
    verdict: dict[str, Any] = next(item for item in found["conditions"] if item["type"] == kind)
    return verdict


def intents(cluster: FakeCluster) -> dict[str, str | None]:
    """Return what agents are told about each revision, by hash."""
    told = {}
    for (kind, _, name), found in cluster.objects.items():
        if kind == "ControllerRevision":
            told[name[-8:]] = found["metadata"].get("annotations", {}).get("moorage.dev/intent")
    return told


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)
