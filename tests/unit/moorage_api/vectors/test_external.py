"""Where an external store is, and what a Secret may be used for."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from moorage_api.vectors import external
from moorage_api.vectors.backends.weaviate.pool import Address
from moorage_api.vectors.errors import StoreCredentialsError
from moorage_crds import labels
from moorage_crds.tenant import ExternalStore

HOST = "weaviate.example"
PLACES = {
    "Weaviate Cloud": (
        "https://a.gcp.weaviate.cloud",
        None,
        ("a.gcp.weaviate.cloud", 443, "grpc-a.gcp.weaviate.cloud", 443),
    ),
    "a server of one's own": (f"https://{HOST}", None, (HOST, 443, HOST, 50051)),
    "a server on another port": (f"https://{HOST}:8443", None, (HOST, 8443, HOST, 50051)),
    "a name that only looks like Weaviate Cloud": (
        "https://weaviate.cloud.example",
        None,
        ("weaviate.cloud.example", 443, "weaviate.cloud.example", 50051),
    ),
    "gRPC elsewhere": (f"https://{HOST}", "https://grpc.example", (HOST, 443, "grpc.example", 443)),
    "gRPC on another port": (f"https://{HOST}", f"https://{HOST}:444", (HOST, 443, HOST, 444)),
}


@pytest.mark.parametrize("case", PLACES)
def test_a_store_is_where_weaviates_users_expect_it(case: str) -> None:
    endpoint, grpc, (host, port, grpc_host, grpc_port) = PLACES[case]
    found = external.address(ExternalStore(endpoint=endpoint, grpc_endpoint=grpc))
    assert found == Address(host, port, grpc_port, grpc_host, is_secure=True)


def secret(key: bytes = b"the-key", hosts: str = HOST, **more: Any) -> dict[str, Any]:
    metadata = {
        "name": "store",
        "labels": {labels.STORE_CREDENTIALS: "true"},
        "annotations": {labels.HOSTS: hosts},
    }
    return {"metadata": metadata, "type": "Opaque", "data": {"apiKey": base64.b64encode(key).decode()}} | more


@pytest.mark.parametrize(
    ("hosts", "grpc_port"),
    [
        (HOST, 443),
        (f"{HOST}:443", 443),
        (f" {HOST.upper()} ,", 443),
        (f"{HOST},{HOST}:50051", 50051),
        (f"other.example,{HOST}:50051,{HOST}", 50051),
    ],
)
def test_a_key_is_for_the_hosts_that_the_annotation_names(hosts: str, grpc_port: int) -> None:
    at = Address(HOST, 443, grpc_port, is_secure=True)
    assert external.parse(secret(hosts=hosts)).key_for(at) == "the-key"


@pytest.mark.parametrize(
    ("hosts", "named"),
    [
        ("", HOST),
        ("example", HOST),
        (f"a.{HOST}", HOST),
        (f"{HOST}:8443", HOST),
        (HOST, "grpc.example:444"),
        (f"{HOST},grpc.example", "grpc.example:444"),
    ],
)
def test_a_key_is_for_no_other_host(hosts: str, named: str) -> None:
    at = Address(HOST, 443, 444, "grpc.example", is_secure=True)
    with pytest.raises(StoreCredentialsError, match=f"is not for {named}:? "):
        external.parse(secret(hosts=hosts)).key_for(at)


def test_a_key_may_end_with_the_line_break_of_a_file() -> None:
    assert external.parse(secret(b"the-key\n")).key == "the-key"


BAD = {
    "no label": secret(metadata={"name": "store"}),
    "a label of another value": secret(metadata={"name": "store", "labels": {labels.STORE_CREDENTIALS: "yes"}}),
    "a token of Kubernetes": secret(type="kubernetes.io/service-account-token"),
    "no key": secret(data=None),
    "an empty key": secret(b" \n"),
    "a key of two lines": secret(b"the-key\nHost: x"),
    "a key of another alphabet": secret("the-kéy".encode()),
    "no base64": secret(data={"apiKey": "the-key!"}),
}


@pytest.mark.parametrize("case", BAD)
def test_a_secret_that_is_not_meant_for_stores_is_refused_without_a_word_of_its_key(case: str) -> None:
    with pytest.raises(StoreCredentialsError) as caught:
        external.parse(BAD[case])
    assert "the-k" not in str(caught.value)
    assert "Secret store" in str(caught.value)


def test_printing_a_secret_shows_no_key() -> None:
    assert "the-key" not in repr(external.parse(secret()))
