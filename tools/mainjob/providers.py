"""Where the cluster comes from: this machine, kind, or whatever kubectl already points at.

Separate because everything after the images is the same for all three.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from localcluster import cluster, doctor, facts, images, packages
from localcluster.forward import Forward, ensure
from localcluster.gotools import GoTools
from localcluster.sandbox import Sandbox
from mainjob.kubectl import CommandError, Kubectl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localcluster.layout import ClusterLayout
    from localcluster.progress import Progress

ROOT = Path(__file__).resolve().parents[2]
SYSTEM_NAMESPACE = "moorage-system"
API_SERVICE = "moorage-api"
_METRICS_SERVER = "https://github.com/kubernetes-sigs/metrics-server/releases/download/v0.8.0/components.yaml"
_ARGUMENTS = "/spec/template/spec/containers/0/args/-"
_METRICS_ARGUMENTS = ("--kubelet-insecure-tls", "--metric-resolution=10s")

Values = dict[str, str]
"""Helm values by their dotted path."""


class NotReadyError(Exception):
    """The machine or the cluster lacks something; the message says what to do."""


class Provider(Protocol):
    """A source of a cluster."""

    def prepare(self, progress: Progress) -> None:
        """Start the cluster and install what that needs."""

    def publish_images(self, progress: Progress) -> Values:
        """Make our images available to the cluster and return the values that name them."""

    def kubectl(self) -> Kubectl:
        """Return kubectl for the cluster."""

    @contextmanager
    def reach_api(self) -> Iterator[str]:
        """Give the address of the API on this machine; it may end with the context."""

    def opens(self, kubectl: Kubectl) -> str | None:
        """Return the command that opens that address again, None where it outlasts the run."""

    def remove(self, progress: Progress) -> None:
        """Remove what ``prepare`` started."""


def named(name: str, layout: ClusterLayout) -> Provider:
    """Return the provider of a name; raises NotReadyError for an unknown one."""
    known: dict[str, type[Local | Kind | Current]] = {"local": Local, "kind": Kind, "current": Current}
    if name not in known:
        raise NotReadyError(f"PROVIDER must be one of {', '.join(known)}, got {name!r}")
    return known[name](layout)


@dataclass(frozen=True)
class Local:
    """A cluster of real parts in private namespaces of this machine."""

    layout: ClusterLayout

    def prepare(self, progress: Progress) -> None:
        """Check the machine, install packages, build the Go programs and start the cluster."""
        found = doctor.judge(facts.gather(self.layout), self.layout)
        if problems := doctor.problems(found):
            raise NotReadyError("; ".join(one.text for one in problems) + ". `make doctor` says more.")
        self._install_packages(progress)
        self._build_tools(progress)
        cluster.up(self.layout, progress)

    def _install_packages(self, progress: Progress) -> None:
        if names := packages.missing():
            with progress.step(f"install {len(names)} Debian packages", packages.INSTALL_SECONDS):
                packages.install(names)

    def _build_tools(self, progress: Progress) -> None:
        tools = GoTools(self.layout.cache)
        for family in tools.missing():
            with progress.step(f"build {family.name}", family.seconds):
                tools.build(family, self.layout.cache / "go-tools.log")

    def publish_images(self, progress: Progress) -> Values:
        """Build the images without a registry and put them into the node's containerd."""
        with progress.step("build images", 240):
            built = images.build_all(self.layout.cache, ROOT)
        with progress.step("import images into the node", 20):
            for image in built.values():
                cluster.import_image(self.layout, image.archive)
        named_images = {name: (image.name, image.tag) for name, image in built.items()}
        return _image_values(named_images) | {"network.clusterCIDRs": f"{{{self._ranges()}}}"}

    def _ranges(self) -> str:
        return ",".join(str(one) for one in (self.layout.service_range, self.layout.pod_range))

    def kubectl(self) -> Kubectl:
        """Return the kubectl and Helm that were built, with the cluster's own kubeconfig."""
        tools = GoTools(self.layout.cache)
        return Kubectl(str(tools.path("kubectl")), str(tools.path("helm")), self.layout.kubeconfig)

    @contextmanager
    def reach_api(self) -> Iterator[str]:
        """Lead a loopback port to the Service; it lasts as long as the cluster."""
        spec = self.kubectl().get("service", API_SERVICE, "--namespace", SYSTEM_NAMESPACE)["spec"]
        forward = Forward(self.layout.gateway_port, spec["clusterIP"], spec["ports"][0]["port"])
        ensure(Sandbox(self.layout), forward)
        yield f"http://localhost:{self.layout.gateway_port}"

    def opens(self, kubectl: Kubectl) -> str | None:
        """Return nothing: the address lasts as long as the cluster."""

    def remove(self, progress: Progress) -> None:
        """Stop the cluster; built tools and images stay in the cache."""
        cluster.down(self.layout, progress)


@dataclass(frozen=True)
class Current:
    """The cluster that kubectl's current context names; its images come from the registries of a values file."""

    layout: ClusterLayout

    def prepare(self, progress: Progress) -> None:
        """Check that the cluster answers."""
        with progress.step("reach the current cluster", 1):
            self.kubectl().run("version")

    def publish_images(self, progress: Progress) -> Values:
        """Leave the images to the values: MOORAGE_VALUES names a file with them."""
        progress.skip("images", "taken from the registries that the values name")
        return {}

    def kubectl(self) -> Kubectl:
        """Return the kubectl and Helm of the caller."""
        return _callers_kubectl()

    @contextmanager
    def reach_api(self) -> Iterator[str]:
        """Forward a loopback port with kubectl for as long as the context lasts."""
        with port_forward(self.kubectl(), self.layout.gateway_port) as url:
            yield url

    def opens(self, kubectl: Kubectl) -> str | None:
        """Return kubectl's own command."""
        return kubectl.told(*_forwarding(self.layout.gateway_port))

    def remove(self, progress: Progress) -> None:
        """Leave a cluster alone that we did not start."""
        progress.skip("current cluster", "not ours to remove; `helm uninstall moorage` removes Moorage from it")


@dataclass(frozen=True)
class Kind:
    """A cluster of Docker containers by kind."""

    layout: ClusterLayout

    def prepare(self, progress: Progress) -> None:
        """Create the cluster unless it exists; its kubeconfig is a file of its own, the caller's is left alone."""
        self.layout.state.mkdir(parents=True, exist_ok=True)
        if self.layout.name in _run(["kind", "get", "clusters"]).split():
            _run(["kind", "export", "kubeconfig", *self._named()])
            return
        with progress.step("create a kind cluster", 60):
            _run(["kind", "create", "cluster", *self._named(), "--wait=120s"])
        with progress.step("install metrics-server", 5):
            self._install_metrics_server()

    def _named(self) -> list[str]:
        return [f"--name={self.layout.name}", f"--kubeconfig={self.layout.kubeconfig}"]

    def _install_metrics_server(self) -> None:
        """Apply its release; kind's kubelets sign their certificates themselves, so they cannot be verified."""
        self.kubectl().run("apply", f"--filename={_METRICS_SERVER}")
        more = [{"op": "add", "path": _ARGUMENTS, "value": one} for one in _METRICS_ARGUMENTS]
        scope = ["deployment/metrics-server", "--namespace=kube-system", "--type=json"]
        self.kubectl().run("patch", *scope, f"--patch={json.dumps(more)}")

    def publish_images(self, progress: Progress) -> Values:
        """Build our images with Docker and load them; Weaviate's comes from its maker.

        Triton's is ours here too, since the examples need onnxruntime in its Python.
        """
        tags = {name: (f"moorage/{name}", _digest_of_sources()) for name in ("operator", "agent", "api", "triton")}
        with progress.step("build and load images", 300):
            for name, (repository, tag) in tags.items():
                dockerfile = str(ROOT / "deploy" / "docker" / f"{name}.Dockerfile")
                _run(["docker", "build", "--file", dockerfile, "--tag", f"{repository}:{tag}", str(ROOT)])
                _run(["kind", "load", "docker-image", f"{repository}:{tag}", "--name", self.layout.name])
        return _image_values(tags)

    def kubectl(self) -> Kubectl:
        """Return the caller's programs with kind's kubeconfig: their current context may be any cluster."""
        return _callers_kubectl(self.layout.kubeconfig)

    @contextmanager
    def reach_api(self) -> Iterator[str]:
        """Forward a loopback port with kubectl for as long as the context lasts."""
        with port_forward(self.kubectl(), self.layout.gateway_port) as url:
            yield url

    def opens(self, kubectl: Kubectl) -> str | None:
        """Return kubectl's own command."""
        return kubectl.told(*_forwarding(self.layout.gateway_port))

    def remove(self, progress: Progress) -> None:
        """Delete the kind cluster."""
        with progress.step("delete the kind cluster", 10):
            _run(["kind", "delete", "cluster", *self._named()])


def _image_values(images_by_name: dict[str, tuple[str, str]]) -> Values:
    repositories = {f"images.{name}.repository": repository for name, (repository, _) in images_by_name.items()}
    return repositories | {f"images.{name}.tag": tag for name, (_, tag) in images_by_name.items()}


def _digest_of_sources() -> str:
    files = sorted(ROOT.glob("*/moorage_*/**/*.py")) + sorted(ROOT.glob("requirements/*.txt"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def _callers_kubectl(kubeconfig: Path | None = None) -> Kubectl:
    programs = {name: shutil.which(name) for name in ("kubectl", "helm")}
    if missing := [name for name, path in programs.items() if path is None]:
        raise NotReadyError(f"not installed: {', '.join(missing)}; this provider uses the caller's own")
    return Kubectl(str(programs["kubectl"]), str(programs["helm"]), kubeconfig)


@contextmanager
def port_forward(kubectl: Kubectl, port: int) -> Iterator[str]:
    """Lead a loopback port to the API by kubectl; raises NotReadyError when it is taken or does not open."""
    if _is_open(port):
        raise NotReadyError(f"port {port} of 127.0.0.1 is in use; end what listens there first")
    argv, environment = [kubectl.kubectl, *_forwarding(port)], kubectl.environment()
    with subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as forwarder:
        try:
            _wait_for_port(port, forwarder)
            yield f"http://localhost:{port}"
        finally:
            forwarder.terminate()


def _forwarding(port: int) -> list[str]:
    target = [f"service/{API_SERVICE}", f"{port}:80", "--address=127.0.0.1"]
    return ["port-forward", "--namespace", SYSTEM_NAMESPACE, *target]


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait_for_port(port: int, process: subprocess.Popen[bytes], patience: float = 30) -> None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and process.poll() is None:
        if _is_open(port):
            return
        time.sleep(0.1)
    raise NotReadyError(f"kubectl port-forward did not open port {port} of 127.0.0.1")


def _run(argv: list[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandError(f"{' '.join(argv[:3])}: {done.stderr.strip()}")
    return done.stdout
