"""Loads an example's code the way Triton's Python backend does."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.examples import triton_stub

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


@pytest.fixture
def load_model(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], triton_stub.Model]:
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", triton_stub)

    def load(name: str) -> triton_stub.Model:
        spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / name / "model.py")
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        instance = module.TritonPythonModel()
        if hasattr(instance, "initialize"):
            instance.initialize({"model_name": name, "model_version": "1"})
        return triton_stub.Model(instance)

    return load
