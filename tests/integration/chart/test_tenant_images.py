"""The image list of the platform holds for every pod of a tenant, and for nobody else's."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from localcluster.gotools import GoTools
from localcluster.layout import cache_root
from moorage_crds import labels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.kube import Kube, Manifest

CHART = Path(__file__).resolve().parents[3] / "charts" / "moorage"
TENANT, OTHER = "tenant-pictured", "pictured"
_SECONDS = 20


def policy() -> list[Manifest]:
    helm = str(GoTools(cache_root()).path("helm"))
    argv = [helm, "template", "moorage", str(CHART), "--set", "tenants.allowedImages={good.example/,also.example/a:}"]
    out = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    found = [one for one in yaml.safe_load_all(out) if one and one["metadata"]["name"] == "moorage-tenant-images"]
    assert len(found) == 2
    return found


def pod(namespace: str, *images: str) -> Manifest:
    first, *others = [{"name": f"c{at}", "image": image} for at, image in enumerate(images)]
    spec = {"containers": [first], "initContainers": others, "automountServiceAccountToken": False}
    metadata = {"name": "p", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def install(kube: Kube) -> None:
    """Apply the policy and wait until it acts."""
    for one in policy():
        answer = kube.apply(one)
        assert answer.is_success, answer.text
    wait(kube, refused=True)


def remove(kube: Kube) -> None:
    for one in policy():
        kube.delete(one)
    wait(kube, refused=False)


def wait(kube: Kube, *, refused: bool) -> None:
    deadline = time.monotonic() + _SECONDS
    probe = pod(TENANT, "bad.example/probe")
    probe["metadata"]["name"] = "probe"
    while kube.create(probe, dry_run=True).is_success is refused:
        assert time.monotonic() < deadline, "the API server did not take notice of the policy"
        time.sleep(0.1)


@pytest.fixture(autouse=True)
def _installed(kube: Kube) -> Iterator[None]:
    for name, own in ((TENANT, {labels.TENANT: "pictured"}), (OTHER, {})):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": own}}
        assert kube.apply(namespace).is_success
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}
        assert kube.apply(account).is_success
    install(kube)
    yield
    remove(kube)


@pytest.mark.parametrize("images", [("good.example/x:1",), ("also.example/a:1", "good.example/b:2")], ids=str)
def test_listed_images_are_taken(kube: Kube, images: tuple[str, ...]) -> None:
    answer = kube.create(pod(TENANT, *images), dry_run=True)
    assert answer.is_success, answer.text


@pytest.mark.parametrize(
    "images",
    [("bad.example/x",), ("good.example.evil/x",), ("also.example/ab:1",), ("good.example/x", "bad.example/x")],
    ids=str,
)
def test_others_are_refused_in_every_container(kube: Kube, images: tuple[str, ...]) -> None:
    answer = kube.create(pod(TENANT, *images), dry_run=True)
    assert answer.status_code == 422
    assert "begin with one of good.example/" in answer.text


def test_other_namespaces_are_left_alone(kube: Kube) -> None:
    assert kube.create(pod(OTHER, "bad.example/x"), dry_run=True).is_success


def test_a_pod_that_runs_already_may_change_and_end(kube: Kube) -> None:
    old = pod(TENANT, "bad.example/x")
    remove(kube)
    assert kube.create(old).is_success
    install(kube)
    assert kube.merge(old, {"metadata": {"labels": {"seen": "yes"}}}).is_success
    other = {"spec": {"containers": [{"name": "c0", "image": "bad.example/z"}]}}
    assert kube.merge(old, other).status_code == 422
    assert kube.delete(old).is_success
