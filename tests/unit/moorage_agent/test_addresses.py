from __future__ import annotations

from ipaddress import ip_network

import pytest
from yarl import URL

from moorage_agent.errors import AddressRefusedError, FetchError
from moorage_agent.sources.addresses import AddressRules

REFUSED = {
    "loopback": "127.0.0.1",
    "this host": "0.0.0.0",  # noqa: S104 # an address to refuse, not to bind
    "private 10": "10.1.2.3",
    "private 172": "172.16.0.1",
    "private 192": "192.168.1.1",
    "carrier-grade NAT": "100.64.0.1",
    "link-local, cloud metadata": "169.254.169.254",
    "multicast": "224.0.0.1",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "documentation": "192.0.2.1",
    "benchmarks": "198.18.0.1",
    "IPv6 loopback": "::1",
    "IPv6 unspecified": "::",
    "IPv6 unique local": "fd00:ec2::254",
    "IPv6 link-local": "fe80::1",
    "IPv6 link-local with zone": "fe80::1%eth0",
    "IPv6 site-local": "fec0::1",
    "IPv6 multicast": "ff02::1",
    "IPv6 documentation": "2001:db8::1",
    "IPv4-mapped private": "::ffff:10.0.0.1",
    "IPv4-mapped loopback": "::ffff:127.0.0.1",
    "6to4 of private": "2002:0a00:0001::1",
    "Teredo": "2001:0:1::1",
    "NAT64 of metadata": "64:ff9b::a9fe:a9fe",
    "NAT64 local": "64:ff9b:1::1",
    "IPv4-compatible": "::127.0.0.1",
}
PUBLIC = {
    "IPv4": "93.184.216.34",
    "IPv6": "2606:2800:220:1:248:1893:25c8:1946",
    "IPv4-mapped": "::ffff:93.184.216.34",
    "NAT64": "64:ff9b::5db8:d822",
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_public_is_refused(case: str) -> None:
    with pytest.raises(AddressRefusedError):
        AddressRules().check(REFUSED[case], 443, "models.example")


@pytest.mark.parametrize("case", PUBLIC)
def test_public_addresses_pass(case: str) -> None:
    AddressRules().check(PUBLIC[case], 443, "models.example")


def test_public_addresses_pass_on_the_https_port_alone() -> None:
    with pytest.raises(FetchError, match="port 443"):
        AddressRules().check(PUBLIC["IPv4"], 6443, "models.example")


def test_an_allowed_range_passes_on_every_port() -> None:
    AddressRules(allowed=(ip_network("10.0.0.0/8"),)).check("10.1.2.3", 8443, "models.example")


def test_the_clusters_ranges_are_refused_even_where_public() -> None:
    rules = AddressRules(denied=(ip_network("93.184.0.0/16"),))
    for address in (PUBLIC["IPv4"], PUBLIC["IPv4-mapped"], PUBLIC["NAT64"]):
        with pytest.raises(AddressRefusedError):
            rules.check(address, 443, "models.example")


def test_a_refusal_names_the_host_and_not_the_address() -> None:
    with pytest.raises(AddressRefusedError) as raised:
        AddressRules().check("10.1.2.3", 443, "models.example")
    assert "models.example" in str(raised.value)
    assert "10.1.2.3" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://models.example/m.zip",
        "ftp://models.example/m.zip",
        "file:///etc/passwd",
        "https://user:secret@models.example/m.zip",
        "https://user@models.example/m.zip",
        "https://127.0.0.1/m.zip",
        "https://[::1]/m.zip",
        "https://[::ffff:10.0.0.1]/m.zip",
        "https:///m.zip",
    ],
)
def test_addresses_refused_before_any_name_is_resolved(url: str) -> None:
    with pytest.raises(AddressRefusedError) as raised:
        AddressRules().check_url(URL(url))
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["https://models.example/m.zip", "https://93.184.216.34/m.zip"])
def test_public_urls_pass(url: str) -> None:
    AddressRules().check_url(URL(url))
