"""What the cluster runs beside Kubernetes itself: DNS, network policies, volumes on demand, and the metrics API.

Separate because these are ordinary objects and clients of a ready API server, in contrast to the daemons
that make one.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from localcluster import pki, system_images
from localcluster.daemons import Command
from localcluster.layout import METRICS_PORT
from localcluster.node_commands import KUBE_ROUTER

if TYPE_CHECKING:
    from pathlib import Path

    from localcluster.gotools import GoTools
    from localcluster.kubeapi import Manifest
    from localcluster.layout import ClusterLayout

PROVISIONER = pki.Subject("local-path-provisioner", "moorage:local-path-provisioner")
METRICS_SERVER = pki.Subject("metrics-server", "moorage:metrics-server")
METRICS_API = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io"
DNS_DEPLOYMENT = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"
_STORAGE_NAMESPACE = "local-path-storage"
_STORAGE_ACCOUNT = "local-path-helper"
_STORAGE_SCRIPTS = "local-path-config"
_METRICS_HOST = "metrics-server.kube-system.svc"
"""What the API server calls metrics-server when it checks the certificate."""
_METRICS_SERVING = pki.Subject("metrics-server-serving", _METRICS_HOST, alternatives=(f"DNS:{_METRICS_HOST}",))
_READ = ["get", "list", "watch"]
_RBAC = "rbac.authorization.k8s.io"

_COREFILE = """\
.:53 {
    errors
    health
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
    }
    cache 5
}
"""


@dataclass(frozen=True)
class Addons:
    """The add-ons of one cluster."""

    tools: GoTools
    layout: ClusterLayout
    authority: pki.Authority

    def manifests(self) -> list[Manifest]:
        """Return every object of the add-ons but the metrics API, in the order of creation."""
        where = self.layout
        return [*_dns(str(where.dns_ip)), *_network_policies(), *_storage(), *_metrics(str(where.node_ip))]

    def metrics_api(self) -> Manifest:
        """Return the object by which the API server hands requests for metrics on, once metrics-server runs.

        Earlier it would be found away, and a cluster with an API that is away deletes no namespace.
        """
        trusted = base64.b64encode(self.authority.root.certificate.read_bytes()).decode()
        service = {"name": "metrics-server", "namespace": "kube-system"}
        spec = {"service": service, "caBundle": trusted, "group": "metrics.k8s.io", "version": "v1beta1"}
        ranks = {"groupPriorityMinimum": 100, "versionPriority": 100}
        return _object("apiregistration.k8s.io/v1", "APIService", "v1beta1.metrics.k8s.io", spec=spec | ranks)

    def write(self) -> None:
        """Write the provisioner's configuration and issue the certificate that metrics-server shows."""
        self.authority.issue(_METRICS_SERVING)
        paths = [str(self.layout.inside(self.layout.state / "volumes"))]
        places = {"nodePathMap": [{"node": "DEFAULT_PATH_FOR_NON_LISTED_NODES", "paths": paths}]}
        self._config.mkdir(parents=True, exist_ok=True)
        (self._config / "local-path.json").write_text(json.dumps(places))
        (self._config / "helper-pod.json").write_text(json.dumps(_helper_pod()))

    def provisioner(self, kubeconfig: Path) -> Command:
        """Return the program that makes a folder for each volume claim."""
        flags = {
            "config": self._config / "local-path.json",
            "helper-pod-file": self._config / "helper-pod.json",
            "helper-image": system_images.SHELL,
            "kubeconfig": kubeconfig,
            "namespace": _STORAGE_NAMESPACE,
            "configmap-name": _STORAGE_SCRIPTS,
            "service-account-name": _STORAGE_ACCOUNT,
        }
        program = str(self.tools.path("local-path-provisioner"))
        return Command("local-path-provisioner", (program, "start", *(f"--{key}={one}" for key, one in flags.items())))

    def metrics_server(self, kubeconfig: Path) -> Command:
        """Return the program behind the metrics API.

        Every connection is verified both ways: it shows the API server a certificate of the cluster's authority, and
        checks that of the kubelet against the same.
        """
        serving = self.authority.pair(_METRICS_SERVING.file)
        flags = {
            "bind-address": self.layout.node_ip,
            "secure-port": METRICS_PORT,
            "tls-cert-file": serving.certificate,
            "tls-private-key-file": serving.key,
            "kubelet-certificate-authority": self.authority.root.certificate,
            "kubelet-preferred-address-types": "InternalIP",
            "metric-resolution": "10s",  # the least it takes, where 60 are usual: tests wait for the second figure
            "kubelet-request-timeout": "8s",  # it insists on less than the above
        }
        flags |= dict.fromkeys(("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"), kubeconfig)
        program = str(self.tools.path("metrics-server"))
        return Command("metrics-server", (program, *(f"--{key}={one}" for key, one in flags.items())))

    @property
    def _config(self) -> Path:
        return self.layout.state / "config"


def _dns(address: str) -> list[Manifest]:
    rules = [_rule("", ["services", "pods", "namespaces"], _READ), _rule("discovery.k8s.io", ["endpointslices"], _READ)]
    account = _subject("ServiceAccount", "coredns", "kube-system")
    return [
        _object("v1", "ServiceAccount", "coredns", "kube-system"),
        _object(f"{_RBAC}/v1", "ClusterRole", "system:coredns", rules=rules),
        _binding("system:coredns", account),
        _object("v1", "ConfigMap", "coredns", "kube-system", data={"Corefile": _COREFILE}),
        _object("apps/v1", "Deployment", "coredns", "kube-system", spec=_dns_deployment()),
        _object("v1", "Service", "kube-dns", "kube-system", spec=_dns_service(address)),
    ]


def _dns_service(address: str) -> dict[str, Any]:
    ports = [{"name": kind.lower(), "port": 53, "targetPort": 53, "protocol": kind} for kind in ("UDP", "TCP")]
    return {"clusterIP": address, "selector": _DNS_LABELS, "ports": ports}


def _dns_deployment() -> dict[str, Any]:
    template = {"metadata": {"labels": _DNS_LABELS}, "spec": _dns_pod()}
    return {"replicas": 1, "selector": {"matchLabels": _DNS_LABELS}, "template": template}


def _dns_pod() -> dict[str, Any]:
    # Policies see the port after address translation, so the pod itself must listen on 53: an unprivileged
    # process may, with this setting of its own network namespace.
    low_ports = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    return {
        "serviceAccountName": "coredns",
        "dnsPolicy": "Default",
        "enableServiceLinks": False,
        "priorityClassName": "system-cluster-critical",
        "securityContext": {"sysctls": low_ports},
        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
        "containers": [_dns_container()],
    }


def _dns_container() -> dict[str, Any]:
    return {
        "name": "coredns",
        "image": system_images.COREDNS,
        "imagePullPolicy": "Never",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "ports": [{"containerPort": 53, "protocol": kind} for kind in ("UDP", "TCP")],
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _network_policies() -> list[Manifest]:
    rules = [
        _rule("", ["namespaces", "pods", "services", "nodes", "endpoints"], _READ),
        _rule("networking.k8s.io", ["networkpolicies"], _READ),
        _rule("discovery.k8s.io", ["endpointslices"], _READ),
    ]
    name = KUBE_ROUTER.common_name
    return [_object(f"{_RBAC}/v1", "ClusterRole", name, rules=rules), _binding(name, _subject("User", name))]


def _metrics(address: str) -> list[Manifest]:
    """Return metrics-server's rights, and a Service without a selector: it is a process of the node, no pod."""
    name, space = METRICS_SERVER.common_name, "kube-system"
    callers = _rule("", ["configmaps"], _READ) | {"resourceNames": ["extension-apiserver-authentication"]}
    port = {"name": "https", "port": 443, "targetPort": METRICS_PORT}
    slice_ = _object("discovery.k8s.io/v1", "EndpointSlice", "metrics-server", space)
    slice_["metadata"]["labels"] = {"kubernetes.io/service-name": "metrics-server"}
    slice_ |= {"addressType": "IPv4", "endpoints": [{"addresses": [address]}]}
    slice_ |= {"ports": [{"name": "https", "port": METRICS_PORT, "protocol": "TCP"}]}
    return [
        _object(f"{_RBAC}/v1", "ClusterRole", name, rules=_metrics_rules()),
        _binding(name, _subject("User", name)),
        _object(f"{_RBAC}/v1", "Role", name, space, rules=[callers]),
        _binding(name, _subject("User", name), space),
        _object("v1", "Service", "metrics-server", space, spec={"ports": [port]}),
        slice_,
    ]


def _metrics_rules() -> list[dict[str, Any]]:
    return [
        _rule("", ["nodes/metrics"], ["get"]),
        _rule("", ["nodes", "pods"], _READ),
        _rule("authentication.k8s.io", ["tokenreviews"], ["create"]),
        _rule("authorization.k8s.io", ["subjectaccessreviews"], ["create"]),
    ]


def _storage() -> list[Manifest]:
    name, space = PROVISIONER.common_name, _STORAGE_NAMESPACE
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    return [
        _object("v1", "Namespace", space),
        _object("v1", "ServiceAccount", _STORAGE_ACCOUNT, space),
        _object("v1", "ConfigMap", _STORAGE_SCRIPTS, space, data=_STORAGE_STEPS),
        _object(f"{_RBAC}/v1", "ClusterRole", name, rules=_storage_rules()),
        _binding(name, _subject("User", name)),
        _object(f"{_RBAC}/v1", "Role", name, space, rules=[_rule("", ["pods"], [*_READ, "create", "delete"])]),
        _binding(name, _subject("User", name), space),
        _object("storage.k8s.io/v1", "StorageClass", "local-path", annotations=default, **_STORAGE_CLASS),
    ]


def _storage_rules() -> list[dict[str, Any]]:
    return [
        _rule("", ["nodes", "persistentvolumeclaims", "configmaps", "pods", "pods/log"], _READ),
        _rule("", ["persistentvolumes"], [*_READ, "create", "patch", "update", "delete"]),
        _rule("", ["events"], ["create", "patch"]),
        _rule("storage.k8s.io", ["storageclasses"], _READ),
    ]


def _helper_pod() -> Manifest:
    # The folder of all volumes belongs to root and is the node's, hence a privileged helper.
    container = {
        "name": "helper",
        "image": system_images.SHELL,
        "imagePullPolicy": "Never",
        "securityContext": {"privileged": True},
    }
    return _object("v1", "Pod", "helper", spec={"containers": [container], "terminationGracePeriodSeconds": 0})


_DNS_LABELS = {"k8s-app": "kube-dns"}
_STORAGE_STEPS = {
    "setup": '#!/bin/sh\nset -eu\nmkdir -m 0777 -p "$VOL_DIR"\n',
    "teardown": '#!/bin/sh\nset -eu\nrm -rf "$VOL_DIR"\n',
}
_STORAGE_CLASS = {
    "provisioner": "rancher.io/local-path",
    "reclaimPolicy": "Delete",
    "volumeBindingMode": "WaitForFirstConsumer",
}


def _object(version: str, kind: str, name: str, namespace: str = "", **rest: Any) -> Manifest:
    metadata: dict[str, Any] = {"name": name}
    metadata |= {"namespace": namespace} if namespace else {}
    metadata |= {"annotations": annotations} if (annotations := rest.pop("annotations", None)) else {}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}


def _rule(group: str, resources: list[str], verbs: list[str]) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}


def _subject(kind: str, name: str, namespace: str = "") -> dict[str, str]:
    where = {"namespace": namespace} if namespace else {"apiGroup": _RBAC}
    return {"kind": kind, "name": name, **where}


def _binding(role: str, subject: dict[str, str], namespace: str = "") -> Manifest:
    """Bind the role of the same name, in one namespace or everywhere."""
    scope = "" if namespace else "Cluster"
    reference = {"apiGroup": _RBAC, "kind": f"{scope}Role", "name": role}
    return _object(f"{_RBAC}/v1", f"{scope}RoleBinding", role, namespace, roleRef=reference, subjects=[subject])
