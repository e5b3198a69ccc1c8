"""The example for the unmodified Triton client builds the address that the client wants."""

from __future__ import annotations

import pytest
from tritonclient.http import InferenceServerClient

from examples import tritonclient_digits


@pytest.mark.parametrize(
    ("url", "host", "base"),
    [
        ("http://localhost:18080", "localhost", "/api/v1/tenants/acme"),
        ("http://localhost:18080/", "localhost", "/api/v1/tenants/acme"),
        ("https://moorage.example.com/front", "moorage.example.com", "/front/api/v1/tenants/acme"),
    ],
)
def test_the_tenants_base_path_is_part_of_the_address(url: str, host: str, base: str) -> None:
    client: InferenceServerClient = tritonclient_digits.client(url, "acme")
    assert (client._client_stub.host, client._base_uri) == (host, base)
    client.close()
