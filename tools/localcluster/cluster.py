"""Bring one cluster up, take it down, and work with it in between.

The one module that knows the order of things; what each thing is lives elsewhere. ``up`` and ``down`` may be
called in any state, also after either was interrupted.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localcluster import cgroups, image_store, kubeconfig, pki, system_images
from localcluster.addons import DNS_DEPLOYMENT, METRICS_API, METRICS_SERVER, PROVISIONER, Addons
from localcluster.control_commands import Addresses, ControlCommands, audit_flags
from localcluster.daemons import Command, DaemonError, Detached, recorded, start_detached, wait
from localcluster.forward import Forward, ensure
from localcluster.gotools import GoTools
from localcluster.image_store import import_image
from localcluster.kubeapi import KubeApi, Manifest
from localcluster.layout import API_PORT_INSIDE, CONTAINERD_SOCKET
from localcluster.node_commands import KUBE_ROUTER, NodeCommands
from localcluster.progress import Progress
from localcluster.sandbox import Sandbox, SandboxError

__all__ = ["down", "forward_port", "import_image", "restart_containerd", "run_inside", "status", "up"]

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence

    from localcluster.layout import ClusterLayout

_PATIENCE = 60.0
"""Many times the usual, for a machine that builds something at the same time."""

_ETCD_PORT = 2379


def up(layout: ClusterLayout, progress: Progress | None = None, *, audit: bool = False) -> None:
    """Start the cluster unless it runs and is healthy; anything half-started is taken down first.

    With ``audit`` every request's user, verb and object is recorded in ``layout.audit_log``.
    Raises DaemonError, quoting a log, when something does not get ready.
    """
    report = progress or Progress()
    with _locked(layout):
        problem = _Cluster.of(layout).problem(audit=audit)
        if not problem:
            report.skip(f"cluster {layout.name}", "runs already")
            return
        if Sandbox(layout).holder():
            report.skip(f"cluster {layout.name}", f"starts anew, since {problem}")
        _take_down(layout)
        _Cluster.of(layout).start(report, audit=audit)


def down(layout: ClusterLayout, progress: Progress | None = None, *, purge: bool = False) -> None:
    """Stop the cluster and remove all of it but the store of imported images, or with ``purge`` that too."""
    report = progress or Progress()
    with _locked(layout), report.step(f"take down {layout.name}", 2):
        _take_down(layout, purge=purge)


def status(layout: ClusterLayout) -> str:
    """Return an empty string for a healthy cluster, else what is wrong with it."""
    return _Cluster.of(layout).problem()


def forward_port(layout: ClusterLayout, port: int, host: str, target: int) -> None:
    """Lead a port of the machine's loopback to an address inside, until the cluster ends.

    ``host`` is an address as seen from the node, such as a Service's ClusterIP.
    """
    ensure(Sandbox(layout), Forward(port, host, target))


def run_inside(layout: ClusterLayout, argv: Sequence[str], *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program with the cluster's own interfaces, mounts and processes."""
    return Sandbox(layout).run(argv, check=check)


def restart_containerd(layout: ClusterLayout) -> None:
    """End the container runtime and start it again; running containers do not notice.

    Raises DaemonError, quoting its log, when it does not come back.
    """
    with _locked(layout):
        _Cluster.of(layout).restart_containerd()


@dataclass(frozen=True)
class _Cluster:
    """One cluster's parts, wired together."""

    layout: ClusterLayout
    tools: GoTools
    authority: pki.Authority
    sandbox: Sandbox
    control: ControlCommands
    node: NodeCommands
    addons: Addons

    @classmethod
    def of(cls, layout: ClusterLayout) -> _Cluster:
        tools, authority = GoTools(layout.cache), pki.Authority(layout.pki)
        addresses = Addresses(
            bind="0.0.0.0",  # noqa: S104 - of a private network namespace; pods reach it by the node's address
            advertise=str(layout.node_ip),
            api_port=API_PORT_INSIDE,
            etcd_port=_ETCD_PORT,
            etcd_peer_port=_ETCD_PORT + 1,
            services=layout.service_range,
            pods=layout.pod_range,
        )
        control = ControlCommands(tools, authority, layout.state / "etcd", addresses)
        node = NodeCommands(tools, layout, authority)
        return cls(layout, tools, authority, Sandbox(layout), control, node, Addons(tools, layout, authority))

    @property
    def api(self) -> KubeApi:
        return KubeApi(self.layout.api_url, self.authority.root.certificate, self.authority.pair(pki.ADMIN.file))

    def problem(self, *, audit: bool = False) -> str:
        """Return why this cluster cannot be used as it is, or an empty string."""
        if not self.sandbox.holder():
            return "it is not running"
        ended = sorted(_DAEMONS - {one.name for one in recorded(self.sandbox) if one.is_alive()})
        if ended:
            return f"{', '.join(ended)} is not running"
        if audit and not self.layout.audit_log.exists():
            return "it keeps no audit log"
        checks = {"the API server": self.api.is_ready, "the node": self._is_node_ready, "DNS": self._is_dns_ready}
        checks |= {"the metrics API": self._is_metrics_api_ready}
        return next((f"{name} is not ready" for name, ready in checks.items() if not ready()), "")

    def start(self, report: Progress, *, audit: bool) -> None:
        """Start everything, in the order in which things need each other."""
        with report.step("certificates and configuration", 1):
            self._prepare()
        with report.step("private namespaces", 1):
            self.sandbox.start()
        with report.step("control plane", 4):
            self._start_control_plane(self._audit_flags() if audit else [])
        with report.step("node", 2):
            self._start_node()
        with report.step("add-ons: DNS, policies, volumes, metrics", 6):
            self._start_addons()

    def _prepare(self) -> None:
        self._check_tools()
        self.layout.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        cgroups.create(self.layout.cgroup)
        image_store.begin_use(self.layout)
        self.control.issue()
        self.node.write()
        self.addons.write()
        admin = self.authority.issue(pki.ADMIN)
        kubeconfig.write(
            self.layout.kubeconfig, self.layout.name, self.layout.api_url, self.authority.root.certificate, admin
        )

    def _check_tools(self) -> None:
        missing = [one.name for one in self.tools.missing() if one.name in _FAMILIES]
        if missing:
            raise DaemonError(f"not built yet: {', '.join(missing)}; run the verb 'tools' first")

    def _audit_flags(self) -> list[str]:
        return audit_flags(self.layout.state / "config" / "audit-policy.json", self.layout.audit_log)

    def _start_control_plane(self, flags: Sequence[str]) -> None:
        commands = (self.node.containerd(), self.control.etcd(), self.control.api_server(*flags))
        daemons = [self._start(command) for command in commands]
        daemons.append(ensure(self.sandbox, _api_forward(self.layout)))
        containerd = self.sandbox.path(CONTAINERD_SOCKET)
        wait("containerd's socket", containerd.exists, daemons[:1], _PATIENCE)
        for image in (system_images.pause(), system_images.shell(), system_images.coredns(self.tools)):
            import_image(self.layout, image.archive(self.layout.archives))
        wait("the API server", self.api.is_ready, daemons, _PATIENCE)

    def restart_containerd(self) -> None:
        [old] = [one for one in recorded(self.sandbox) if one.name == self.node.containerd().name]
        self.sandbox.run(["kill", str(old.process.pid)])
        wait("containerd's end", lambda: not old.is_alive(), [], _PATIENCE)
        wait("containerd", self._answers, [self._start(self.node.containerd())], _PATIENCE)

    def _answers(self) -> bool:
        """Tell whether containerd answers; its socket's file outlives it."""
        return self.sandbox.run(["ctr", "--address", str(CONTAINERD_SOCKET), "version"], check=False).returncode == 0

    def _start_node(self) -> None:
        config = self.control.client_config
        daemons = [self._start(self.control.controller_manager()), self._start(self.control.scheduler())]
        daemons.append(self._start(self.node.kubelet(config(pki.node_client(self.layout.node)))))
        config(pki.KUBE_PROXY)
        daemons.append(self._start(self.node.kube_proxy()))
        for manifest in self.addons.manifests():
            self.api.apply(manifest)
        # kube-router reads its own node at once and ends when there is none.
        wait("the node's registration", lambda: self.api.get(self._node_path) is not None, daemons, _PATIENCE)
        daemons.append(self._start(self.node.kube_router(config(KUBE_ROUTER))))
        wait("the node", self._is_node_ready, daemons, _PATIENCE)

    def _start_addons(self) -> None:
        config = self.control.client_config
        daemons = [self._start(self.addons.provisioner(config(PROVISIONER)))]
        daemons.append(self._start(self.addons.metrics_server(config(METRICS_SERVER))))
        wait("DNS", self._is_dns_ready, daemons, _PATIENCE)
        self.api.apply(self.addons.metrics_api())
        wait("the metrics API", self._is_metrics_api_ready, daemons, _PATIENCE)

    def _start(self, command: Command) -> Detached:
        return start_detached(self.sandbox, command)

    def _is_node_ready(self) -> bool:
        return _has(self.api.get(self._node_path), "Ready")

    @property
    def _node_path(self) -> str:
        return f"/api/v1/nodes/{self.layout.node}"

    def _is_dns_ready(self) -> bool:
        return _has(self.api.get(DNS_DEPLOYMENT), "Available")

    def _is_metrics_api_ready(self) -> bool:
        return _has(self.api.get(METRICS_API), "Available")


_FAMILIES = ("kubernetes", "etcd", "coredns", "kube-router", "local-path-provisioner", "metrics-server")
_DAEMONS = {
    "containerd",
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-router",
    "kube-scheduler",
    "kubelet",
    "local-path-provisioner",
    "metrics-server",
}
"""Whose end makes a cluster unhealthy; a lost forwarder is started again when it is asked for."""


def _api_forward(layout: ClusterLayout) -> Forward:
    return Forward(layout.api_port, "127.0.0.1", API_PORT_INSIDE)


def _has(thing: Manifest | None, condition: str) -> bool:
    conditions = (thing or {}).get("status", {}).get("conditions", [])
    return any(one["type"] == condition and one["status"] == "True" for one in conditions)


def _take_down(layout: ClusterLayout, *, purge: bool = False) -> None:
    """Bring the cluster to nothing from any state."""
    sandbox = Sandbox(layout)
    if sandbox.holder():
        _save_images(sandbox)
    sandbox.end()
    cgroups.remove(layout.cgroup)
    _remove_state(layout, keep_images=not purge and image_store.is_reusable(layout))


def _save_images(sandbox: Sandbox) -> None:
    """Leave the store fit for the next start; one that cannot be is removed with the rest."""
    with contextlib.suppress(SandboxError, DaemonError):
        image_store.empty(sandbox)


def _remove_state(layout: ClusterLayout, *, keep_images: bool) -> None:
    if not layout.state.exists():
        return
    for path in layout.state.iterdir():
        if not (keep_images and path == layout.images):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if not any(layout.state.iterdir()):
        layout.state.rmdir()


@contextmanager
def _locked(layout: ClusterLayout) -> Iterator[None]:
    """Let one caller at a time change the cluster."""
    layout.lock.parent.mkdir(parents=True, exist_ok=True)
    with layout.lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
