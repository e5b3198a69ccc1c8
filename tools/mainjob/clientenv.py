"""A small virtual environment with the unmodified tritonclient, for the last of the printed commands."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from mainjob.providers import ROOT

if TYPE_CHECKING:
    from pathlib import Path

_LOCK = ROOT / "requirements" / "client.txt"


def python(cache: Path) -> Path:
    """Return the environment's Python, which exists once ``ensure`` has run; a changed lock is another one."""
    return _folder(cache) / "bin" / "python"


def ensure(cache: Path) -> None:
    """Create the environment unless it is there; an interrupted creation is begun anew."""
    folder = _folder(cache)
    ready = folder / "ready"
    if ready.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    subprocess.run([*pip, "--require-hashes", "--requirement", str(_LOCK)], check=True)
    ready.touch()


def _folder(cache: Path) -> Path:
    return cache / "venv" / f"client-{hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:12]}"
