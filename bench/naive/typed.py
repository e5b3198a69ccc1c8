"""The typed client's one call per kind, create and patch.

Separate because a typed client has a method for each kind where a path would do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException

Manifest = Mapping[str, Any]

_CONFLICT = 409

_CALLS = {
    "Namespace": ("CoreV1Api", "namespace", "V1Namespace"),
    "ResourceQuota": ("CoreV1Api", "namespaced_resource_quota", "V1ResourceQuota"),
    "LimitRange": ("CoreV1Api", "namespaced_limit_range", "V1LimitRange"),
    "ServiceAccount": ("CoreV1Api", "namespaced_service_account", "V1ServiceAccount"),
    "Secret": ("CoreV1Api", "namespaced_secret", "V1Secret"),
    "Service": ("CoreV1Api", "namespaced_service", "V1Service"),
    "NetworkPolicy": ("NetworkingV1Api", "namespaced_network_policy", "V1NetworkPolicy"),
    "RoleBinding": ("RbacAuthorizationV1Api", "namespaced_role_binding", "V1RoleBinding"),
    "Deployment": ("AppsV1Api", "namespaced_deployment", "V1Deployment"),
    "StatefulSet": ("AppsV1Api", "namespaced_stateful_set", "V1StatefulSet"),
    "ControllerRevision": ("AppsV1Api", "namespaced_controller_revision", "V1ControllerRevision"),
    "PodDisruptionBudget": ("PolicyV1Api", "namespaced_pod_disruption_budget", "V1PodDisruptionBudget"),
}


def create(manifest: Manifest) -> None:
    """Create an object; one that is there already is left alone."""
    api, noun, model = _of(manifest)
    try:
        getattr(api, f"create_{noun}")(body=model, **_where(manifest))
    except ApiException as error:
        if error.status != _CONFLICT:
            raise


def patch(manifest: Manifest) -> None:
    """Patch an object with everything it should be; a Secret is left alone."""
    if manifest["kind"] != "Secret":
        api, noun, model = _of(manifest)
        getattr(api, f"patch_{noun}")(name=manifest["metadata"]["name"], body=model, **_where(manifest))


def _of(manifest: Manifest) -> tuple[Any, str, Any]:
    group, noun, model = _CALLS[manifest["kind"]]
    return getattr(client, group)(), noun, getattr(client, model).from_dict(dict(manifest))


def _where(manifest: Manifest) -> dict[str, str]:
    namespace = manifest["metadata"].get("namespace")
    return {"namespace": namespace} if namespace else {}
