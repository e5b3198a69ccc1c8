"""Write every generated file of the repository; ``make generate`` runs it, ``make verify`` proves it current."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "crds"))

from moorage_crds import generate  # noqa: E402  the path is set above: this runs without an installation


def main() -> None:
    """Write CRDs, the chart's copy of them, and the generated examples."""
    for folder in ("crds", "charts/moorage/files/crds"):
        generate.write(ROOT / folder)
    subprocess.run([sys.executable, str(ROOT / "examples" / "build.py")], check=True, cwd=ROOT)


if __name__ == "__main__":
    main()
