"""Manifests that end-to-end tests share; each test states only what differs."""

from __future__ import annotations

from typing import Any

from moorage_crds import API_VERSION

ECHO = """
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        out = []
        for request in requests:
            # A character beyond the basic plane takes part in every write: \N{WAVING HAND SIGN}
            value = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
            out.append(pb_utils.InferenceResponse([pb_utils.Tensor("OUT", value * FACTOR)]))
        return out
"""
"""A model that multiplies its input by FACTOR."""


def tenant(name: str, **spec: Any) -> dict[str, Any]:
    """Return a tenant small enough to stand beside others on two cores, without a vector store."""
    inference = {"pythonBackend": "Enabled", "modelStore": {"sizeLimit": "64Mi"}}
    body = {"inference": inference, "vectorStore": {"backend": "None"}} | spec
    return {"apiVersion": API_VERSION, "kind": "Tenant", "metadata": {"name": name}, "spec": body}


def model(tenant_name: str, name: str, code: str | None = None, factor: int = 2) -> dict[str, Any]:
    """Return a model that multiplies four numbers by ``factor``, or one of the given code."""
    tensor = {"dataType": "TYPE_FP32", "dims": [4]}
    return {
        "apiVersion": API_VERSION,
        "kind": "ModelDeployment",
        "metadata": {"name": name, "namespace": f"tenant-{tenant_name}"},
        "spec": {
            "source": {"inline": {"files": {"1/model.py": code or ECHO.replace("FACTOR", str(factor))}}},
            "config": {"inputs": [{"name": "IN", **tensor}], "outputs": [{"name": "OUT", **tensor}]},
        },
    }


def infer_body(*numbers: float, shape: list[int] | None = None, datatype: str = "FP32") -> dict[str, Any]:
    """Return an Open Inference Protocol request of one input."""
    data = {"name": "IN", "shape": shape or [len(numbers)], "datatype": datatype, "data": list(numbers)}
    return {"inputs": [data]}
