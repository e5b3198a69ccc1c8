"""Signatures against those that AWS publishes: its examples for S3 and its general test suite."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from moorage_agent.sources.sigv4 import EMPTY, Key, Request, Scope, authorization, path_of, query_of, s3_headers

EXAMPLE = Key("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
SUITE = Key("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
S3 = Scope("us-east-1", datetime(2013, 5, 24, tzinfo=UTC))
GENERAL = Scope("us-east-1", datetime(2015, 8, 30, 12, 36, tzinfo=UTC), "service")
PUT_BODY = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"


def example(path: str, query: str = "", method: str = "GET", payload: str = EMPTY, **headers: str) -> Request:
    own = {name.replace("_", "-"): value for name, value in headers.items()}
    given = {"Host": "examplebucket.s3.amazonaws.com", "x-amz-content-sha256": payload, "x-amz-date": S3.timestamp}
    return Request(path, query, given | own, method, payload)


def general(query: str = "") -> Request:
    return Request("/", query, {"Host": "example.amazonaws.com", "X-Amz-Date": GENERAL.timestamp})


PUBLISHED: dict[str, tuple[Key, Scope, Request, str]] = {
    "an object's first bytes": (
        EXAMPLE,
        S3,
        example("/test.txt", Range="bytes=0-9"),
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
    "a listing": (
        EXAMPLE,
        S3,
        example("/", query_of({"prefix": "J", "max-keys": "2"})),
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ),
    "a parameter without a value": (
        EXAMPLE,
        S3,
        example("/", query_of({"lifecycle": ""})),
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    ),
    "an upload under an odd name": (
        EXAMPLE,
        S3,
        example(
            path_of("test$file.text"),
            method="PUT",
            payload=PUT_BODY,
            Date="Fri, 24 May 2013 00:00:00 GMT",
            x_amz_storage_class="REDUCED_REDUNDANCY",
        ),
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    ),
    "the suite's get-vanilla": (
        SUITE,
        GENERAL,
        general(),
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    "the suite's get-vanilla-query-order-key-case": (
        SUITE,
        GENERAL,
        general(query_of({"Param2": "value2", "Param1": "value1"})),
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
}


@pytest.mark.parametrize("case", PUBLISHED)
def test_a_signature_is_the_published_one(case: str) -> None:
    key, scope, request, signature = PUBLISHED[case]
    assert authorization(key, scope, request).rpartition("Signature=")[2] == signature


def test_everything_that_is_sent_is_named_and_signed() -> None:
    headers = s3_headers(EXAMPLE, S3, "minio.test:9000", "/bucket/key")
    assert "SignedHeaders=host;x-amz-content-sha256;x-amz-date," in headers["authorization"]
    assert "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request," in headers["authorization"]
    temporary = Key(EXAMPLE.id, EXAMPLE.secret, "session")
    headers = s3_headers(temporary, S3, "minio.test:9000", "/bucket/key")
    assert headers["x-amz-security-token"] == "session"
    assert "x-amz-security-token," in headers["authorization"]


def test_the_secret_key_is_neither_sent_nor_shown() -> None:
    headers = s3_headers(EXAMPLE, S3, "minio.test", "/bucket/key")
    assert EXAMPLE.secret not in str(headers) + repr(EXAMPLE)


@pytest.mark.parametrize(
    ("parts", "path"),
    [
        (("bucket",), "/bucket"),
        (("bucket", "a/b.onnx"), "/bucket/a/b.onnx"),
        (("bucket", "a b/ü+%.bin"), "/bucket/a%20b/%C3%BC%2B%25.bin"),
        (("bucket", "a//../b"), "/bucket/a//../b"),
        ((), "/"),
    ],
)
def test_a_key_is_escaped_once_and_never_normalised(parts: tuple[str, ...], path: str) -> None:
    assert path_of(*parts) == path
