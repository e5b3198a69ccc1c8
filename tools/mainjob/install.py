"""Install the chart and apply the examples, then wait until the cluster says that they work."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mainjob.kubectl import CommandError
from mainjob.providers import ROOT, SYSTEM_NAMESPACE, Values

if TYPE_CHECKING:
    from mainjob.kubectl import Kubectl

TENANT = "acme"
EXAMPLES = ("digits", "embedder")


def install_chart(kubectl: Kubectl, values: Values, values_file: str | None = None) -> None:
    """Install or upgrade the release and wait for its workloads.

    ``values_file`` comes first, so that what the provider knows wins. Raises CommandError with Helm's words.
    """
    # A tag of digits alone would else become a number.
    settings = [f"--set-string={key}={value}" for key, value in values.items()]
    extra = [f"--values={values_file}"] if values_file else []
    release = ["upgrade", "--install", "moorage", str(ROOT / "charts" / "moorage")]
    place = ["--namespace", SYSTEM_NAMESPACE, "--create-namespace", "--wait", "--timeout=300s"]
    kubectl.run_helm(*release, *place, *extra, *settings)


def apply_examples(kubectl: Kubectl) -> None:
    """Apply the tenant, wait for its namespace, then apply its models; a namespaced object cannot come earlier."""
    kubectl.run("apply", "--filename", str(ROOT / "examples" / "tenant.yaml"))
    kubectl.run("wait", f"tenant/{TENANT}", "--for=condition=IsolationReady", "--timeout=120s")
    for name in EXAMPLES:
        kubectl.run("apply", "--filename", str(ROOT / "examples" / f"{name}.yaml"))


def wait_for_examples(kubectl: Kubectl) -> None:
    """Wait until models and tenant are Ready; raises CommandError that quotes their conditions."""
    for name in EXAMPLES:
        _wait(kubectl, "modeldeployment", name, "--namespace", f"tenant-{TENANT}")
    _wait(kubectl, "tenant", TENANT)


def _wait(kubectl: Kubectl, kind: str, name: str, *scope: str) -> None:
    try:
        kubectl.run("wait", f"{kind}/{name}", *scope, "--for=condition=Ready", "--timeout=300s")
    except CommandError as error:
        conditions = kubectl.get(kind, name, *scope).get("status", {}).get("conditions", [])
        raise CommandError(f"{error}\n{json.dumps(conditions, indent=1)}") from error
