from __future__ import annotations

import subprocess
import sys


def test_the_agent_loads_neither_numpy_nor_the_client() -> None:
    unwanted = "numpy", "tritonclient.grpc._client"
    code = f"import sys, moorage_agent.__main__; print([name for name in {unwanted} if name in sys.modules])"
    paths = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", code], env=paths, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
