"""Two clusters share nothing, and nothing about one breaks where its cache is deep."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from localcluster.layout import CONTAINERD_SOCKET, KNOWN, MAX_INDEX, ClusterLayout, cache_root, named

CACHE = Path("/home/someone/.cache/moorage")
ALL = [ClusterLayout(f"cluster-{index}", index, CACHE) for index in range(MAX_INDEX + 1)]
PAIRS = list(combinations(ALL, 2))


def test_ranges_of_one_cluster_are_disjoint() -> None:
    for layout in ALL:
        assert not any(one.overlaps(other) for one, other in combinations(layout.ranges, 2))


def test_no_two_clusters_share_a_range() -> None:
    for first, second in PAIRS:
        assert not any(one.overlaps(other) for one in first.ranges for other in second.ranges)


def test_no_two_clusters_share_a_port() -> None:
    ports = [port for layout in ALL for port in layout.ports]
    assert len(ports) == len(set(ports))
    assert all(1024 < port < 32768 for port in ports), "below the ports the kernel gives to outgoing connections"


def test_no_two_clusters_share_a_folder_or_control_group() -> None:
    for first, second in PAIRS:
        assert not first.state.is_relative_to(second.state)
        assert first.lock != second.lock
        assert first.cgroup != second.cgroup


@pytest.mark.parametrize("attribute", ["kubeconfig", "pki", "logs", "processes", "images", "audit_log"])
def test_everything_a_cluster_writes_is_in_its_state_folder(attribute: str) -> None:
    layout = ALL[3]
    assert getattr(layout, attribute).is_relative_to(layout.state)


def test_lock_survives_the_removal_of_the_state_folder() -> None:
    assert not ALL[0].lock.is_relative_to(ALL[0].state)


def test_well_known_addresses_lie_in_their_ranges() -> None:
    for layout in ALL:
        assert layout.api_service_ip in layout.service_range
        assert layout.dns_ip in layout.service_range
        assert layout.node_ip in layout.node_range
    assert str(named("moorage-local").dns_ip) == "10.96.0.10"


def test_sockets_stay_short_however_deep_the_cache_is() -> None:
    deep = ClusterLayout("moorage-local", 0, Path("/", *["folder"] * 60))
    sockets = [CONTAINERD_SOCKET, deep.inside(deep.state / "kubelet" / "pod-resources" / "kubelet.sock")]
    assert all(len(str(socket)) < 100 for socket in sockets)


def test_known_clusters_differ() -> None:
    assert named("moorage-local").index != named("moorage-test").index
    assert len(set(KNOWN.values())) == len(KNOWN)


def test_another_cluster_needs_an_index() -> None:
    with pytest.raises(ValueError, match="give it an index"):
        named("mine")
    assert named("mine", 5).index == 5


@pytest.mark.parametrize("index", [-1, MAX_INDEX + 1])
def test_refuses_an_index_whose_ports_or_ranges_would_overlap(index: int) -> None:
    with pytest.raises(ValueError, match="index must be"):
        ClusterLayout("mine", index)


@pytest.mark.parametrize("name", ["../mine", "a/b", "", "a b"])
def test_refuses_a_name_that_is_no_folder(name: str) -> None:
    with pytest.raises(ValueError, match="cluster name"):
        ClusterLayout(name, 2)


def test_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MOORAGE_CACHE", str(tmp_path))
    assert cache_root() == tmp_path
    monkeypatch.delenv("MOORAGE_CACHE")
    assert cache_root() == Path.home() / ".cache" / "moorage"
