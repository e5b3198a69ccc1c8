"""The flags and files that make clusters safe and separate, without starting any program."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest
from typing_extensions import override

from localcluster import control_commands, pki
from localcluster.addons import Addons
from localcluster.control_commands import Addresses, ControlCommands
from localcluster.gotools import Family, GoTools
from localcluster.kubeapi import Manifest, object_path
from localcluster.layout import ClusterLayout
from localcluster.node_commands import NodeCommands


class Tools(GoTools):
    """Tools whose place does not depend on a Go compiler."""

    @override
    def folder(self, family: Family) -> Path:
        return self.cache / family.name


@pytest.fixture
def layout(tmp_path: Path) -> ClusterLayout:
    return ClusterLayout("moorage-test", 1, tmp_path)


@pytest.fixture
def tools(tmp_path: Path) -> GoTools:
    return Tools(tmp_path)


@pytest.fixture
def control(layout: ClusterLayout, tools: GoTools) -> ControlCommands:
    addresses = Addresses("127.0.0.1", "127.0.0.1", 6443, 2379, 2380, layout.service_range, layout.pod_range)
    return ControlCommands(tools, pki.Authority(layout.pki), layout.state / "etcd", addresses)


@pytest.fixture
def node(layout: ClusterLayout, tools: GoTools) -> NodeCommands:
    return NodeCommands(tools, layout, pki.Authority(layout.pki))


@pytest.fixture
def addons(layout: ClusterLayout, tools: GoTools) -> Addons:
    return Addons(tools, layout, pki.Authority(layout.pki))


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    return next(one for one in manifests if (one["kind"], one["metadata"]["name"]) == (kind, name))


def flag(argv: tuple[str, ...], name: str) -> str:
    return next(one.partition("=")[2] for one in reversed(argv) if one.startswith(f"--{name}="))


def test_etcd_answers_nobody_without_its_own_certificates(control: ControlCommands) -> None:
    argv = control.etcd().argv
    assert "--client-cert-auth" in argv
    assert flag(argv, "listen-client-urls") == "https://127.0.0.1:2379"
    assert Path(flag(argv, "trusted-ca-file")) != control.authority.root.certificate


def test_api_server_authorises_by_node_and_role(control: ControlCommands) -> None:
    assert flag(control.api_server().argv, "authorization-mode") == "Node,RBAC"


def test_a_test_can_override_any_flag_of_the_api_server(control: ControlCommands) -> None:
    argv = control.api_server("--profiling=true").argv
    assert flag(argv, "profiling") == "true"


def test_audit_records_user_verb_and_object_at_once(tmp_path: Path) -> None:
    flags = tuple(control_commands.audit_flags(tmp_path / "policy.json", tmp_path / "audit.log"))
    assert flag(flags, "audit-log-mode") == "blocking"
    policy = json.loads(Path(flag(flags, "audit-policy-file")).read_text())
    assert policy["rules"] == [{"level": "Metadata"}]


def test_kubelet_keeps_below_its_own_control_group_and_trusts_no_stranger(node: NodeCommands) -> None:
    config = node._kubelet()
    assert config["cgroupRoot"] == "/moorage-test"
    assert config["authentication"]["anonymous"] == {"enabled": False}  # type: ignore[index] # nested JSON
    assert config["authorization"] == {"mode": "Webhook"}
    assert config["clusterDNS"] == ["10.97.0.10"]


def test_kube_proxy_leaves_the_machines_connection_limits_alone(node: NodeCommands) -> None:
    limits = node._kube_proxy()["conntrack"]
    assert isinstance(limits, dict)
    assert set(limits.values()) <= {0, "0s"}


def test_containerd_needs_no_privilege_the_machine_may_lack(node: NodeCommands) -> None:
    assert "restrict_oom_score_adj = true" in node._containerd()
    assert "oom_score = 0" in node._containerd()


def test_pods_get_addresses_of_the_nodes_range(node: NodeCommands) -> None:
    bridge = node._network()["plugins"][0]  # type: ignore[index] # nested JSON
    assert bridge["ipam"]["ranges"] == [[{"subnet": "10.245.0.0/24"}]]
    assert bridge["isGateway"]
    assert "isDefaultGateway" not in bridge


def test_policies_are_enforced_and_nothing_else_by_kube_router(node: NodeCommands) -> None:
    argv = node.kube_router(Path("/kubeconfig")).argv
    assert flag(argv, "run-firewall") == "true"
    assert {flag(argv, name) for name in ("run-router", "run-service-proxy", "enable-cni")} == {"false"}


def test_every_binding_refers_to_a_role_among_the_addons(addons: Addons) -> None:
    manifests = addons.manifests()
    roles = {(one["kind"], one["metadata"]["name"]) for one in manifests}
    references = [one["roleRef"] for one in manifests if "roleRef" in one]
    assert len(references) == 6
    assert all((one["kind"], one["name"]) in roles for one in references)


def test_addons_create_namespaces_before_what_lives_in_them(addons: Addons) -> None:
    known = {"kube-system"}
    for manifest in addons.manifests():
        if manifest["kind"] == "Namespace":
            known.add(manifest["metadata"]["name"])
        assert manifest["metadata"].get("namespace", "kube-system") in known


def test_dns_answers_on_53_as_an_ordinary_user(layout: ClusterLayout, addons: Addons) -> None:
    manifests = addons.manifests()
    service = named(manifests, "Service", "kube-dns")
    assert service["spec"]["clusterIP"] == str(layout.dns_ip)
    assert {(port["port"], port["targetPort"]) for port in service["spec"]["ports"]} == {(53, 53)}
    pod = next(one for one in manifests if one["kind"] == "Deployment")["spec"]["template"]["spec"]
    assert pod["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"} in pod["securityContext"]["sysctls"]


def test_metrics_pass_only_between_parties_that_show_a_certificate_of_the_clusters_authority(addons: Addons) -> None:
    addons.authority.create()
    addons.write()
    argv, root = addons.metrics_server(Path("/kubeconfig")).argv, addons.authority.root.certificate
    assert flag(argv, "kubelet-certificate-authority") == str(root)
    assert not [one for one in argv if "insecure" in one]
    spec = addons.metrics_api()["spec"]
    assert base64.b64decode(spec["caBundle"]) == root.read_bytes()
    assert "insecureSkipTLSVerify" not in spec
    host = f"{spec['service']['name']}.{spec['service']['namespace']}.svc"
    check = ["openssl", "verify", "-CAfile", str(root), "-verify_hostname", host, flag(argv, "tls-cert-file")]
    assert subprocess.run(check, capture_output=True, check=False).returncode == 0


def test_the_service_of_the_metrics_leads_to_the_process_on_the_node(addons: Addons) -> None:
    manifests, argv = addons.manifests(), addons.metrics_server(Path("/kubeconfig")).argv
    leads = named(manifests, "EndpointSlice", "metrics-server")
    assert leads["endpoints"] == [{"addresses": [flag(argv, "bind-address")]}]
    assert str(leads["ports"][0]["port"]) == flag(argv, "secure-port")
    service = named(manifests, "Service", leads["metadata"]["labels"]["kubernetes.io/service-name"])
    assert service["spec"]["ports"][0]["name"] == leads["ports"][0]["name"]
    assert "selector" not in service["spec"]


def test_an_autoscaler_looks_every_five_seconds(control: ControlCommands) -> None:
    assert flag(control.controller_manager().argv, "horizontal-pod-autoscaler-sync-period") == "5s"


@pytest.mark.parametrize(
    ("version", "kind", "namespace", "path"),
    [
        ("v1", "ConfigMap", "kube-system", "/api/v1/namespaces/kube-system/configmaps/x"),
        ("v1", "Namespace", "", "/api/v1/namespaces/x"),
        ("storage.k8s.io/v1", "StorageClass", "", "/apis/storage.k8s.io/v1/storageclasses/x"),
        ("apiregistration.k8s.io/v1", "APIService", "", "/apis/apiregistration.k8s.io/v1/apiservices/x"),
        ("apps/v1", "Deployment", "a", "/apis/apps/v1/namespaces/a/deployments/x"),
    ],
)
def test_objects_have_their_paths(version: str, kind: str, namespace: str, path: str) -> None:
    manifest: Manifest = {"apiVersion": version, "kind": kind, "metadata": {"name": "x", "namespace": namespace}}
    assert object_path(manifest) == path


def test_clients_and_servers_get_the_usages_they_need() -> None:
    assert "extendedKeyUsage=clientAuth" in pki.ADMIN.extensions
    server = pki.api_server("10.97.0.1").extensions
    assert "serverAuth" in server
    assert "IP:10.97.0.1" in server
    assert "DNS:kubernetes.default.svc" in server


def test_only_the_administrator_and_the_api_server_are_masters() -> None:
    subjects = [pki.ADMIN, pki.KUBELET_CLIENT, pki.SCHEDULER, pki.CONTROLLER_MANAGER, pki.node_client("n")]
    masters = {one.file for one in subjects if one.organisation == "system:masters"}
    assert masters == {"admin", "apiserver-kubelet-client"}
    assert pki.node_client("n").line == "/O=system:nodes/CN=system:node:n"
