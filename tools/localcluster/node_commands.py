"""The command lines and configuration files of the one node: containerd, kubelet, kube-proxy, kube-router.

Separate from the control plane's, which also runs without any node.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localcluster import pki
from localcluster.daemons import Command
from localcluster.layout import CONTAINERD_SOCKET
from localcluster.system_images import PAUSE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from localcluster.gotools import GoTools
    from localcluster.layout import ClusterLayout

KUBE_ROUTER = pki.Subject("kube-router", "moorage:kube-router")

_CONTAINERD = """\
version = 2
root = "{root}"
state = "/run/containerd"
# Negative scores need CAP_SYS_RESOURCE, which a container or a hardened machine does not grant.
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]
[grpc]
  address = "{socket}"
[ttrpc]
  address = ""
[plugins."io.containerd.internal.v1.opt"]
  path = "{root}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Without CAP_SYS_RESOURCE each sandbox dies with "can't get final child's PID from pipe: EOF" otherwise.
  restrict_oom_score_adj = true
  tolerate_missing_hugetlb_controller = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{network}"
"""


@dataclass(frozen=True)
class NodeCommands:
    """The node's commands; their files must be written first with ``write``."""

    tools: GoTools
    layout: ClusterLayout
    authority: pki.Authority

    def write(self) -> None:
        """Write configuration and issue the node's certificates."""
        self.authority.issue(pki.node_server(self.layout.node, str(self.layout.node_ip)))
        (self._config / "net.d").mkdir(parents=True, exist_ok=True)
        (self._config / "containerd.toml").write_text(self._containerd())
        (self._config / "resolv.conf").write_text("# The cluster reaches nothing but itself.\n")
        self._write("net.d/10-pods.conflist", self._network())
        self._write("kubelet.json", self._kubelet())
        self._write("kube-proxy.json", self._kube_proxy())

    def containerd(self) -> Command:
        """Return the container runtime."""
        return Command("containerd", ("containerd", f"--config={self._config}/containerd.toml", "--log-level=warn"))

    def kubelet(self, kubeconfig: Path) -> Command:
        """Return the node's agent."""
        layout = self.layout
        root = layout.inside(layout.state / "kubelet")
        where = (f"--hostname-override={layout.node}", f"--node-ip={layout.node_ip}", f"--root-dir={root}")
        files = (f"--config={self._config}/kubelet.json", f"--kubeconfig={kubeconfig}", f"--cert-dir={layout.pki}")
        return Command("kubelet", (str(self.tools.path("kubelet")), *where, *files))

    def kube_proxy(self) -> Command:
        """Return the program behind Service addresses."""
        config = f"--config={self._config}/kube-proxy.json"
        return Command("kube-proxy", (str(self.tools.path("kube-proxy")), config))

    def kube_router(self, kubeconfig: Path) -> Command:
        """Return the program that enforces NetworkPolicies, with all its other duties off."""
        others = ("run-router", "run-service-proxy", "run-loadbalancer", "enable-cni", "auto-mtu")
        flags = (
            "--run-firewall=true",
            *(f"--{one}=false" for one in others),
            f"--kubeconfig={kubeconfig}",
            f"--hostname-override={self.layout.node}",
            f"--service-cluster-ip-range={self.layout.service_range}",
            "--service-node-port-range=30000-32767",
            "--iptables-sync-period=1m",
        )
        return Command("kube-router", (str(self.tools.path("kube-router")), *flags))

    @property
    def _config(self) -> Path:
        return self.layout.state / "config"

    def _write(self, name: str, content: Mapping[str, object]) -> None:
        (self._config / name).write_text(json.dumps(content, indent=2) + "\n")

    def _containerd(self) -> str:
        return _CONTAINERD.format(
            root=self.layout.inside(self.layout.images),
            socket=CONTAINERD_SOCKET,
            pause=PAUSE,
            network=self._config / "net.d",
        )

    def _network(self) -> dict[str, object]:
        """Return the pods' network; kubelet's range for a first node is the first /24 of the pod range."""
        subnet = next(self.layout.pod_range.subnets(new_prefix=24))
        addresses = {
            "type": "host-local",
            "dataDir": "/run/cni",
            "ranges": [[{"subnet": str(subnet)}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        }
        # isDefaultGateway beside the default route of "routes" fails with "file exists".
        bridge = {"type": "bridge", "bridge": "pods0", "isGateway": True, "hairpinMode": True, "ipam": addresses}
        portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
        return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge, portmap]}

    def _kubelet(self) -> dict[str, object]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            **self._kubelet_access(),
            **self._kubelet_places(),
            **_KUBELET_LIMITS,
        }

    def _kubelet_access(self) -> dict[str, object]:
        server = self.authority.pair("kubelet")
        return {
            "address": str(self.layout.node_ip),
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(self.authority.root.certificate)},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(server.certificate),
            "tlsPrivateKeyFile": str(server.key),
        }

    def _kubelet_places(self) -> dict[str, object]:
        state, inside = self.layout.state, self.layout.inside
        return {
            "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
            "cgroupRoot": self.layout.cgroup,
            "podLogsDir": str(inside(state / "pods-log")),
            "volumePluginDir": str(inside(state / "volume-plugins")),
            "resolvConf": str(self._config / "resolv.conf"),
            "clusterDNS": [str(self.layout.dns_ip)],
            "clusterDomain": "cluster.local",
        }

    def _kube_proxy(self) -> dict[str, object]:
        # Zero leaves the connection tracking limits alone; they are the machine's.
        tracking = {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}
        return {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "clusterCIDR": str(self.layout.pod_range),
            "hostnameOverride": self.layout.node,
            "clientConnection": {"kubeconfig": str(self.authority.folder / "kube-proxy.kubeconfig")},
            "conntrack": tracking | {"udpTimeout": "0s", "udpStreamTimeout": "0s"},
            "iptables": {"minSyncPeriod": "100ms"},
            "oomScoreAdj": 0,
        }


_KUBELET_LIMITS: Mapping[str, object] = {
    "cgroupDriver": "cgroupfs",
    "failCgroupV1": False,
    "failSwapOn": False,
    "oomScoreAdj": 0,
    # Images come from files and cannot be pulled again, so none is ever collected.
    "imageGCHighThresholdPercent": 100,
    "imageGCLowThresholdPercent": 99,
    "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
    "serializeImagePulls": False,
}
