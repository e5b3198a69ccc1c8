"""Say where everything is, with commands that work as printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainjob.install import TENANT
from mainjob.providers import ROOT, SYSTEM_NAMESPACE

if TYPE_CHECKING:
    from pathlib import Path

    from mainjob.kubectl import Kubectl


def text(kubectl: Kubectl, url: str, key_file: Path, python: Path, opens: str | None = None) -> str:
    """Return what ``make up`` prints at its end; ``opens`` is the command that has to run for the URL, if any."""
    program = kubectl.told()
    read = "get secret moorage-initial-admin --output jsonpath='{.data.password}'"
    model = f"{url}/api/v1/tenants/{TENANT}/v2/models/digits"
    client = f"{python} {ROOT}/examples/tritonclient_digits.py"
    answers = f"{url} while this runs:\n  {opens}" if opens else url
    return f"""
Moorage answers at {answers}

The first password of user admin:
  {program} --namespace {SYSTEM_NAMESPACE} {read} | base64 -d; echo

Three things to try:
  {program} get tenants,modeldeployments --all-namespaces
  curl --silent --show-error --header "Authorization: Bearer $(cat {key_file})" {model}
  {client} --url {url} --tenant {TENANT} --key-file {key_file}
"""
