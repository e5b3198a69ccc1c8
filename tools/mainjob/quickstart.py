"""Use what was installed as its user would: get a key, infer, search.

Separate because these are the checks that decide whether ``make up`` succeeded.
"""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from mainjob.install import TENANT
from mainjob.kubectl import CommandError
from mainjob.providers import ROOT, SYSTEM_NAMESPACE

if TYPE_CHECKING:
    from mainjob.kubectl import Kubectl


def ensure_key(kubectl: Kubectl, url: str, file: Path) -> None:
    """Put an API key of service account ``quickstart`` into ``file``, unless the one there still works."""
    if file.is_file() and _works(url, file.read_text().strip()):
        return
    command = ["moorage-api", "create-key", "--tenant", TENANT, "--service-account", "quickstart"]
    inside = ["exec", "--namespace", SYSTEM_NAMESPACE, "deployment/moorage-api", "--", *command]
    key = kubectl.run(*inside, "--role", "developer", "--expires", "24h").strip()
    file.touch(mode=0o600)
    file.chmod(0o600)
    file.write_text(key + "\n")


def _works(url: str, key: str) -> bool:
    request = urllib.request.Request(f"{url}/api/v1/me", headers={"Authorization": f"Bearer {key}"})  # noqa: S310  our own loopback address
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  as above
            return bool(answer.status == 200)  # noqa: PLR2004  HTTP OK
    except urllib.error.HTTPError:
        return False


def run(url: str, key_file: Path) -> None:
    """Run ``examples/quickstart.py`` with its output on ours; raises CommandError when a check fails."""
    program = [sys.executable, str(ROOT / "examples" / "quickstart.py")]
    argv = [*program, "--url", url, "--tenant", TENANT, "--key-file", str(key_file)]
    done = subprocess.run(argv, env=dict(os.environ), check=False)
    if done.returncode:
        raise CommandError(f"examples/quickstart.py ended with {done.returncode}")
