"""Models from a volume claim, and models built on models, through the operator, the agents and the gateway together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from moorage_crds import API_VERSION
from tests.e2e.conftest import Moorage, eventually
from tests.support.e2e import ECHO, infer_body, model, tenant

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAME = "library"
NAMESPACE = f"tenant-{NAME}"
CLAIM = "weights"
WRITE = """
import os, pathlib

folder = pathlib.Path("/weights/eleven/1")
folder.mkdir(parents=True)
(folder / "model.py").write_text(os.environ["CODE"])
"""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def library(moorage: Moorage) -> Iterator[str]:
    """A tenant whose pods mount a claim that holds a model which multiplies by 11."""
    inference = {"pythonBackend": "Enabled", "modelStore": {"sizeLimit": "64Mi"}, "modelClaims": [CLAIM]}
    moorage.apply(tenant(NAME, inference=inference))
    moorage.kubectl.run("wait", f"tenant/{NAME}", "--for=condition=IsolationReady", "--timeout=60s")
    eventually("Triton is asked for", lambda: moorage.exists("deployment", "triton", "--namespace", NAMESPACE))
    moorage.apply(_claim(), _writer(_image(moorage)))
    done = ["wait", "pod/writer", "--namespace", NAMESPACE, "--for=jsonpath={.status.phase}=Succeeded"]
    moorage.kubectl.run(*done, "--timeout=90s")
    moorage.kubectl.run("delete", "pod", "writer", "--namespace", NAMESPACE)
    yield NAME
    moorage.kubectl.run("delete", "tenant", NAME, "--timeout=120s")


def _claim() -> dict[str, Any]:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "16Mi"}}}
    metadata = {"name": CLAIM, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def _image(moorage: Moorage) -> str:
    """Return an image that the node has and that writes files: Triton's."""
    pod = moorage.kubectl.get("deployment", "triton", "--namespace", NAMESPACE)["spec"]["template"]["spec"]
    return str(next(one["image"] for one in pod["containers"] if one["name"] == "triton"))


def _writer(image: str) -> dict[str, Any]:
    """Return the pod by which people fill a claim."""
    container = {
        "name": "writer",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", WRITE],
        "env": [{"name": "CODE", "value": ECHO.replace("FACTOR", "11")}],
        "volumeMounts": [{"name": CLAIM, "mountPath": "/weights"}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": CLAIM, "persistentVolumeClaim": {"claimName": CLAIM}}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "writer", "namespace": NAMESPACE}, "spec": spec}


def _outputs(client: httpx.Client, name: str) -> list[float]:
    answer = client.post(f"/tenants/{NAME}/v2/models/{name}/infer", json=infer_body(1, 2, 3, 4))
    return list(answer.json()["outputs"][0]["data"]) if answer.status_code == 200 else []


def _from(uri: str, name: str) -> dict[str, Any]:
    manifest = model(NAME, name)
    manifest["spec"]["source"] = {"uri": uri}
    return manifest


@pytest.mark.usefixtures("library")
def test_a_model_from_a_claim_answers(moorage: Moorage, admin: httpx.Client) -> None:
    moorage.apply(_from(f"pvc://{CLAIM}/eleven", "eleven"))
    eventually("it answers", lambda: _outputs(admin, "eleven") == [11, 22, 33, 44], patience=120)


@pytest.mark.usefixtures("library")
def test_a_claim_that_the_tenant_does_not_name_is_a_reason(moorage: Moorage) -> None:
    moorage.apply(_from("pvc://another/eleven", "elsewhere"))
    scope = ["--namespace", NAMESPACE, "--for=condition=Stalled", "--timeout=60s"]
    moorage.kubectl.run("wait", "modeldeployment/elsewhere", *scope)
    found = moorage.kubectl.get("modeldeployment", "elsewhere", "--namespace", NAMESPACE)["status"]["conditions"]
    assert {one["reason"] for one in found if one["type"] == "Ready"} == {"ClaimNotMounted"}


@pytest.mark.usefixtures("library")
def test_an_ensemble_follows_the_models_that_it_is_built_on(moorage: Moorage, admin: httpx.Client) -> None:
    tensor = {"dataType": "TYPE_FP32", "dims": [4]}
    steps = [
        {"model": "first", "inputs": {"IN": "IN"}, "outputs": {"OUT": "middle"}},
        {"model": "second", "inputs": {"IN": "middle"}, "outputs": {"OUT": "OUT"}},
    ]
    config = {"inputs": [{"name": "IN", **tensor}], "outputs": [{"name": "OUT", **tensor}], "steps": steps}
    both = {
        "apiVersion": API_VERSION,
        "kind": "ModelDeployment",
        "metadata": {"name": "both", "namespace": NAMESPACE},
        "spec": {"backend": "ensemble", "config": config},
    }
    moorage.apply(both)
    eventually("it waits for its models", lambda: _reason(moorage, "both") == "DependencyMissing")
    moorage.apply(model(NAME, "first", factor=2), model(NAME, "second", factor=3))
    eventually("it answers", lambda: _outputs(admin, "both") == [6, 12, 18, 24], patience=120)
    moorage.apply(model(NAME, "second", factor=5))
    eventually("it has followed", lambda: _outputs(admin, "both") == [10, 20, 30, 40], patience=120)


def test_the_example_of_an_ensemble_sees_what_digits_sees(moorage: Moorage, admin: httpx.Client) -> None:
    moorage.kubectl.run("apply", "--filename", str(EXAMPLES / "digits-from-bytes.yaml"))
    held_out = json.loads((EXAMPLES / "digits" / "heldout.json").read_text(encoding="utf-8"))
    images = held_out["images"][:32]
    grey = [round(level * 255 / 16) for image in images for level in image]
    eventually("it answers", lambda: _labels(admin, "digits-from-bytes", "BYTES", "UINT8", grey) != [], patience=120)
    levels = [level for image in images for level in image]
    expected = _labels(admin, "digits", "IMAGE", "FP32", levels)
    assert len(expected) == len(images)
    assert _labels(admin, "digits-from-bytes", "BYTES", "UINT8", grey) == expected
    moorage.kubectl.run("delete", "--filename", str(EXAMPLES / "digits-from-bytes.yaml"))


def _labels(client: httpx.Client, model: str, name: str, datatype: str, values: list[float]) -> list[int]:
    """Return what a model of acme sees in images of 64 values, [] while it does not answer."""
    tensor = {"name": name, "datatype": datatype, "shape": [len(values) // 64, 64], "data": values}
    body = {"inputs": [tensor], "outputs": [{"name": "LABEL"}]}
    answer = client.post(f"/tenants/acme/v2/models/{model}/infer", json=body)
    return list(answer.json()["outputs"][0]["data"]) if answer.status_code == 200 else []


def _reason(moorage: Moorage, name: str) -> str:
    found = moorage.kubectl.get("modeldeployment", name, "--namespace", NAMESPACE).get("status", {})
    return next((str(one["reason"]) for one in found.get("conditions", ()) if one["type"] == "Ready"), "")
