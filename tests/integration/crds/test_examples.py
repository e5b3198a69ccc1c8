"""Every manifest in ``examples/`` is taken by the API server, strictly and as ``kubectl apply`` sends it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from tests.support.kube import Kube

FOLDER = Path(__file__).resolve().parents[3] / "examples"
EXAMPLES = [*sorted(FOLDER.glob("*.yaml")), *sorted(FOLDER.glob("sources/*.yaml"))]


@pytest.fixture(scope="module")
def namespaces(kube: Kube) -> None:
    for name in ("tenant-acme", "tenant-globex"):
        assert kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}).is_success


@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_taken_as_it_stands(kube: Kube, path: Path) -> None:
    for manifest in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        answer = kube.apply(manifest, dry_run=True)
        assert answer.is_success, answer.text
