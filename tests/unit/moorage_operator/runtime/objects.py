"""Builders of observed objects; a test states only what differs."""

from __future__ import annotations

from typing import Any

Manifest = dict[str, Any]


def manifest(
    name: str, version: int, *, namespace: str = "tenant-acme", uid: str = "u1", kind: str = "Service", **more: Any
) -> Manifest:
    metadata = {"name": name, "uid": uid, "resourceVersion": str(version)}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **more}


def tenant(name: str = "acme", version: int = 1, *, uid: str = "t1", **more: Any) -> Manifest:
    made = manifest(name, version, namespace="", uid=uid, kind="Tenant", **more)
    return {**made, "apiVersion": "moorage.dev/v1alpha1"}


def condition(kind: str, status: str, reason: str, message: str = "") -> Manifest:
    return {"type": kind, "status": status, "reason": reason, "message": message}
