"""Write kubeconfig files.

Separate because the file is a product of its own: people, daemons and tests all read it. It is YAML written
by hand, since the standard library has no YAML and the shape never changes.
"""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from localcluster.pki import Pair

_TEMPLATE = """\
apiVersion: v1
kind: Config
current-context: {name}
clusters:
- name: {name}
  cluster:
    server: {url}
    certificate-authority-data: {authority}
contexts:
- name: {name}
  context:
    cluster: {name}
    user: {name}
users:
- name: {name}
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
"""


def write(path: Path, name: str, url: str, authority: Path, client: Pair) -> None:
    """Write a kubeconfig that holds all it needs and that only its owner can read."""
    text = _TEMPLATE.format(
        name=name, url=url, authority=_data(authority), certificate=_data(client.certificate), key=_data(client.key)
    )
    staging = path.with_name(f"{path.name}.new")
    staging.unlink(missing_ok=True)
    with open(os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123 - mode
        file.write(text)
    staging.rename(path)


def _data(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
