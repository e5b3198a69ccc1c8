from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from moorage_agent.settings import SettingsError, from_env

ENV = {
    "POD_NAME": "triton-0",
    "POD_UID": "u-1",
    "POD_NAMESPACE": "tenant-acme",
    "TRITON_INFERENCE_KEY": "secret-i",
    "TRITON_MANAGEMENT_KEY": "secret-m",
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
}


def test_the_contracts_environment_is_enough() -> None:
    found = from_env(ENV)
    assert (found.pod, found.pod_uid, found.namespace) == ("triton-0", "u-1", "tenant-acme")
    assert (found.api_url, found.triton, found.store) == ("https://10.96.0.1:443", "127.0.0.1:8001", Path("/store"))
    assert (found.host, found.port, found.allowed) == (None, 8090, ())


@pytest.mark.parametrize("name", list(ENV))
def test_a_missing_value_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        from_env({key: value for key, value in ENV.items() if key != name})


def test_a_proxy_is_an_address_without_a_password() -> None:
    found = from_env(ENV | {"MOORAGE_HTTPS_PROXY": "http://proxy:3128", "MOORAGE_NO_PROXY": "corp, 10.0.0.0/8"})
    assert (found.https_proxy, found.no_proxy) == ("http://proxy:3128", ("corp", "10.0.0.0/8"))
    with pytest.raises(SettingsError, match="expected the address of a proxy") as refused:
        from_env(ENV | {"MOORAGE_HTTPS_PROXY": "http://me:hunter2@proxy:3128"})
    assert "hunter2" not in str(refused.value)


def test_keys_do_not_show_in_the_representation() -> None:
    assert "secret-" not in repr(from_env(ENV))


def test_an_ipv6_api_server_is_bracketed() -> None:
    assert from_env(ENV | {"KUBERNETES_SERVICE_HOST": "fd00::1"}).api_url == "https://[fd00::1]:443"


def test_ranges_are_a_comma_list() -> None:
    found = from_env(ENV | {"MOORAGE_ALLOWED_CIDRS": "10.0.0.0/8, fd00::/8"})
    assert found.allowed == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(("text", "expected"), [("10Gi", 10 * 2**30), ("1.5G", 1_500_000_000), ("512", 512)])
def test_the_store_limit_is_a_quantity(text: str, expected: int) -> None:
    assert from_env(ENV | {"MOORAGE_STORE_LIMIT": text}).store_limit == expected


@pytest.mark.parametrize("change", [{"MOORAGE_ALLOWED_CIDRS": "10.0.0.0/99"}, {"MOORAGE_STORE_LIMIT": "much"}])
def test_an_unreadable_value_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="expected"):
        from_env(ENV | change)
