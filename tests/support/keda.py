"""KEDA as far as tests need it: its real definition of a ScaledObject, from the Go module that tools/go/keda pins."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "keda"
_PIN = ROOT / "tools" / "go" / "keda"
_MODULE = "github.com/kedacore/keda/v2"


def example(name: str) -> dict[str, Any]:
    """Return an example's only document."""
    document: dict[str, Any] = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))
    return document


def scaled_object_crd() -> dict[str, Any]:
    """Return KEDA's custom resource definition; the go command refuses other bytes than those of the pinned hash."""
    command = ["go", "mod", "download", "-json", _MODULE]
    done = subprocess.run(command, cwd=_PIN, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    # Without its line the go command would add one, and trust what it got.
    assert f"{_MODULE} {found['Version']} {found['Sum']}" in (_PIN / "go.sum").read_text(encoding="utf-8").splitlines()
    file = Path(found["Dir"]) / "config" / "crd" / "bases" / "keda.sh_scaledobjects.yaml"
    crd: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return crd
