from ipaddress import ip_address, ip_network

import pytest

from moorage_crds.errors import InvalidInputError
from moorage_crds.tenant import Egress
from moorage_operator.reconcile import egress

CLUSTER = ("203.0.113.0/24", "2001:db8::/48")


def reaches(address: str) -> bool:
    ip = ip_address(address)
    return any(
        ip in ip_network(block["cidr"]) and not any(ip in ip_network(hole) for hole in block["except"])
        for block in egress.public_blocks(Egress(), CLUSTER)
    )


@pytest.mark.parametrize("address", ["1.1.1.1", "172.15.0.1", "172.32.0.1", "192.169.0.1", "2606:4700::1111"])
def test_public_addresses_are_reached(address: str) -> None:
    assert reaches(address)


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.1.1",
        "203.0.113.9",
        "255.255.255.255",
        "::1",
        "64:ff9b::a00:1",
        "fd00::1",
        "fe80::1",
        "2001:db8::1",
    ],
)
def test_private_and_cluster_addresses_are_not(address: str) -> None:
    assert not reaches(address)


def test_exceptions_lie_inside_their_block_as_the_api_server_demands() -> None:
    for block in egress.public_blocks(Egress(), (*CLUSTER, "10.244.0.0/16")):
        outer = ip_network(block["cidr"])
        holes = [ip_network(hole) for hole in block["except"]]
        assert all(hole.version == outer.version and hole != outer for hole in holes)
        assert "10.244.0.0/16" not in block["except"]


@pytest.mark.parametrize(("mode", "public", "listed"), [("PublicHTTPS", 2, 1), ("Listed", 0, 1), ("None", 0, 0)])
def test_modes_open_what_they_say(mode: str, public: int, listed: int) -> None:
    asked = Egress.model_validate({"mode": mode, "cidrs": ["198.51.100.7/24"]})
    assert len(egress.public_blocks(asked, CLUSTER)) == public
    assert egress.listed_blocks(asked) == ({"cidr": "198.51.100.0/24"},) * listed


def test_a_range_that_is_none_is_named() -> None:
    with pytest.raises(InvalidInputError, match=r"spec.network.egress.cidrs: .*'1.2.3.4/99'"):
        egress.listed_blocks(Egress(cidrs=["1.2.3.4/99"]))


def test_api_servers_become_single_addresses_in_a_stable_order() -> None:
    found = egress.addresses((("10.0.0.2", 6443), ("10.0.0.1", 6443), ("fd00::1", 443)))
    assert [address.cidr for address in found] == ["10.0.0.1/32", "10.0.0.2/32", "fd00::1/128"]
