"""The command lines of etcd, API server, controller manager and scheduler.

Separate because the whole cluster and the bare control plane of tests run the same four programs with the
same flags, and differ in addresses alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localcluster import kubeconfig, pki
from localcluster.daemons import Command

if TYPE_CHECKING:
    from ipaddress import IPv4Network
    from pathlib import Path

    from localcluster.gotools import GoTools

_AUDIT_EVERYTHING = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}
CONTROLLERS = "kube-controller-manager"
_ETCD = pki.Subject("etcd", "etcd", alternatives=("DNS:localhost", "IP:127.0.0.1"))


@dataclass(frozen=True)
class Addresses:
    """Where one control plane listens."""

    bind: str
    advertise: str
    api_port: int
    etcd_port: int
    etcd_peer_port: int
    services: IPv4Network
    pods: IPv4Network


@dataclass(frozen=True)
class ControlCommands:
    """The control plane's commands; certificates must be created first with ``issue``."""

    tools: GoTools
    authority: pki.Authority
    data: Path
    addresses: Addresses

    def issue(self) -> None:
        """Issue every certificate and kubeconfig these commands name."""
        self.authority.create()
        self._etcd_authority.create()
        self._etcd_authority.issue(_ETCD)
        addresses = {"127.0.0.1", self.addresses.advertise, str(self.addresses.services[1])}
        self.authority.issue(pki.api_server(*sorted(addresses)))
        self.authority.issue(pki.KUBELET_CLIENT)
        for subject in (pki.CONTROLLER_MANAGER, pki.SCHEDULER):
            self.client_config(subject)

    def client_config(self, subject: pki.Subject) -> Path:
        """Return a kubeconfig for a client of this API server, issuing its certificate."""
        path = self.authority.folder / f"{subject.file}.kubeconfig"
        url = f"https://127.0.0.1:{self.addresses.api_port}"
        kubeconfig.write(path, "default", url, self.authority.root.certificate, self.authority.issue(subject))
        return path

    def etcd(self) -> Command:
        """Return etcd: reachable by its own certificates alone, and without fsync, since nothing here must last."""
        own, peers = (
            f"https://127.0.0.1:{self.addresses.etcd_port}",
            f"https://127.0.0.1:{self.addresses.etcd_peer_port}",
        )
        pair = self._etcd_authority.pair(_ETCD.file)
        flags = {
            "name": "default",
            "data-dir": self.data,
            "listen-client-urls": own,
            "advertise-client-urls": own,
            "listen-peer-urls": peers,
            "initial-advertise-peer-urls": peers,
            "initial-cluster": f"default={peers}",
            "log-level": "error",
        }
        for prefix in ("", "peer-"):
            flags |= {f"{prefix}cert-file": pair.certificate, f"{prefix}key-file": pair.key}
            flags |= {f"{prefix}trusted-ca-file": self._etcd_authority.root.certificate}
        switches = ("--unsafe-no-fsync", "--client-cert-auth", "--peer-client-cert-auth")
        return Command("etcd", (str(self.tools.path("server")), *switches, *_flags(flags)))

    def api_server(self, *extra: str) -> Command:
        """Return the API server; ``extra`` flags come last and win."""
        where = self.addresses
        flags = {
            "bind-address": where.bind,
            "advertise-address": where.advertise,
            "secure-port": where.api_port,
            "cert-dir": self.authority.folder,
            "service-cluster-ip-range": where.services,
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            "allow-privileged": "true",
            "kubelet-preferred-address-types": "InternalIP",
            "profiling": "false",
        }
        flags |= self._storage_flags() | self._trust_flags() | self._token_flags()
        return Command("kube-apiserver", (str(self.tools.path("kube-apiserver")), *_flags(flags), *extra))

    def controller_manager(self) -> Command:
        """Return the controller manager: without it nothing is garbage-collected and no token is made."""
        config = self.authority.folder / "controller-manager.kubeconfig"
        flags = {
            "kubeconfig": config,
            "use-service-account-credentials": "true",
            "service-account-private-key-file": self.authority.service_accounts.key,
            "root-ca-file": self.authority.root.certificate,
            "cluster-signing-cert-file": self.authority.root.certificate,
            "cluster-signing-key-file": self.authority.root.key,
            "allocate-node-cidrs": "true",
            "cluster-cidr": self.addresses.pods,
            "kube-api-qps": 500,  # with the usual 20 it throttles itself for the first five seconds
            "kube-api-burst": 1000,
            "node-monitor-period": "500ms",  # or a fresh node stays tainted as not ready for five seconds
            "horizontal-pod-autoscaler-sync-period": "5s",  # of the usual 15, for tests that wait for a pod more
            "service-cluster-ip-range": self.addresses.services,
            "flex-volume-plugin-dir": self.authority.folder / "volume-plugins",  # it makes the folder it is told
            "leader-elect": "false",
            "secure-port": 0,
        }
        return Command(CONTROLLERS, (str(self.tools.path(CONTROLLERS)), *_flags(flags)))

    def scheduler(self) -> Command:
        """Return the scheduler."""
        config = self.authority.folder / "scheduler.kubeconfig"
        flags = {"kubeconfig": config, "leader-elect": "false", "secure-port": 0}
        return Command("kube-scheduler", (str(self.tools.path("kube-scheduler")), *_flags(flags)))

    @property
    def _etcd_authority(self) -> pki.Authority:
        """Return etcd's own authority: whoever it signs may read every Secret."""
        return pki.Authority(self.authority.folder / "etcd")

    def _storage_flags(self) -> dict[str, object]:
        pair = self._etcd_authority.pair(_ETCD.file)
        return {
            "etcd-servers": f"https://127.0.0.1:{self.addresses.etcd_port}",
            "etcd-cafile": self._etcd_authority.root.certificate,
            "etcd-certfile": pair.certificate,
            "etcd-keyfile": pair.key,
        }

    def _trust_flags(self) -> dict[str, object]:
        own, kubelet = self.authority.pair("apiserver"), self.authority.pair(pki.KUBELET_CLIENT.file)
        proxy = self.authority.pair(pki.FRONT_PROXY_CLIENT.file)
        return {
            "client-ca-file": self.authority.root.certificate,
            "tls-cert-file": own.certificate,
            "tls-private-key-file": own.key,
            "kubelet-client-certificate": kubelet.certificate,
            "kubelet-client-key": kubelet.key,
            "kubelet-certificate-authority": self.authority.root.certificate,
            "proxy-client-cert-file": proxy.certificate,
            "proxy-client-key-file": proxy.key,
            "requestheader-client-ca-file": self.authority.front_proxy.certificate,
            "requestheader-allowed-names": pki.FRONT_PROXY_CLIENT.common_name,
            "requestheader-username-headers": "X-Remote-User",
            "requestheader-group-headers": "X-Remote-Group",
            "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        }

    def _token_flags(self) -> dict[str, object]:
        keys = self.authority.service_accounts
        return {
            "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
            "service-account-key-file": keys.certificate,
            "service-account-signing-key-file": keys.key,
        }


def audit_flags(policy: Path, log: Path) -> list[str]:
    """Write a policy that records user, verb and object of every request, and return the flags that use it.

    The log is written without delay, so that a test may read it right after its request.
    """
    policy.parent.mkdir(parents=True, exist_ok=True)
    policy.write_text(json.dumps(_AUDIT_EVERYTHING))
    return _flags({"audit-policy-file": policy, "audit-log-path": log, "audit-log-mode": "blocking"})


def _flags(values: dict[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in values.items()]
