"""Valid objects for the agent's tests; a test states only what differs."""

from __future__ import annotations

import base64
from typing import Any

from moorage_agent import triton
from moorage_agent.failures import FETCH_FAILED, LOAD_FAILED, Failure
from moorage_agent.revisions import Revision
from moorage_agent.triton import TritonModel
from moorage_crds import labels, names
from moorage_crds.revision import hash8

MODEL_PY = "class TritonPythonModel:\n    pass\n"


def snapshot(model: str = "a", files: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    """Return a revision's data with an inline source."""
    source = {"inline": {"files": {"1/model.py": MODEL_PY} if files is None else files}}
    return {"tenantID": "t-1", "model": model, "source": source, "backend": "python", "config": {}} | changes


def revision(
    model: str = "a",
    data: dict[str, Any] | None = None,
    *,
    intent: str | None = labels.WANTED,
    promoted: bool = False,
    version: str = "uid/1",
) -> Revision:
    """Return a revision whose hash is that of its data."""
    data = snapshot(model) if data is None else data
    return Revision(model, hash8(data), version, intent, promoted, data)


def controller_revision(
    model: str = "a",
    data: dict[str, Any] | None = None,
    *,
    intent: str | None = labels.WANTED,
    version: str = "1",
    namespace: str = "tenant-acme",
) -> dict[str, Any]:
    """Return a ControllerRevision as the API server would."""
    data = snapshot(model) if data is None else data
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": names.controller_revision(model, hash8(data)),
            "namespace": namespace,
            "uid": f"uid-{model}",
            "resourceVersion": version,
            "labels": {labels.MODEL: model, labels.TENANT: "acme"},
            "annotations": {labels.INTENT: intent} if intent else {},
        },
        "data": data,
        "revision": 1,
    }


def ready(stamp: str | None) -> TritonModel:
    """Return a model that Triton serves."""
    return TritonModel(triton.READY, stamp=stamp)


def failure(*, fetch: bool = False, version: str = "uid/1", retry_at: float = 1000.0, crashes: int = 0) -> Failure:
    """Return a failure that rests until ``retry_at``."""
    return Failure(version, FETCH_FAILED if fetch else LOAD_FAILED, "no", retry_at, crashes=crashes)


def secret(hosts: str = "models.example", **values: Any) -> dict[str, Any]:
    """Return a Secret meant for sources; ``labels``, ``type`` and ``data`` replace what it otherwise has."""
    own = {key: values.pop(key) for key in ("labels", "type", "data") if key in values}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {
        "metadata": {
            "name": "mine",
            "labels": own.get("labels", {labels.SOURCE_CREDENTIALS: "true"}),
            "annotations": {labels.HOSTS: hosts},
        },
        "type": own.get("type", "Opaque"),
        "data": own.get("data", encoded),
    }
