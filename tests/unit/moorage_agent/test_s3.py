"""Objects and folders from an S3 server on loopback, which an allowed range makes reachable."""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from moorage_agent.errors import (
    AddressRefusedError,
    ChecksumError,
    DeniedError,
    FetchError,
    NoRoomError,
    SecretNotUsableError,
    SourceInvalidError,
    SourceMissingError,
    UnreachableError,
)
from moorage_agent.sources.addresses import AddressRules
from moorage_agent.sources.budget import Budget
from moorage_agent.sources.credentials import Keyring, parse
from moorage_agent.sources.outside import Outside
from moorage_agent.sources.s3 import S3, bucket_of
from moorage_agent.sources.sigv4 import Key
from moorage_crds.errors import MoorageError, UnsafePathError
from moorage_crds.modeldeployment import ObjectStore, Source
from moorage_crds.schema import SecretReference
from tests.support.tls import Identity, serving
from tests.unit.moorage_agent.build import secret
from tests.unit.moorage_agent.fakes3 import KEY, NOW, FakeS3
from tests.unit.moorage_agent.test_https import LOOPBACK, Names, zipped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from moorage_agent.settings import Network

HOST = "s3.test"
FOLDER = {"models/net/1/model.onnx": b"onnx", "models/net/labels.txt": b"cat\n", "models/net2/1/model.onnx": b"other"}


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity.make(tmp_path_factory.mktemp("tls"), HOST, f"models.{HOST}")


class Store:
    """An S3 server, and what is fetched from it."""

    def __init__(self, fake: FakeS3, port: int, identity: Identity, folder: Path) -> None:
        self.fake = fake
        self.port = port
        self.identity = identity
        self.into = folder / "a--0a1b2c3d.partial"
        self.into.mkdir()
        self.rules = LOOPBACK
        self.secret: dict[str, Any] | None = secret(
            f"{HOST}:{port},models.{HOST}:{port}", accessKeyID=KEY.id, secretAccessKey=KEY.secret
        )

    async def read_secret(self, _: str) -> dict[str, Any]:
        assert self.secret is not None
        return self.secret

    async def fetch(
        self,
        uri: str,
        content: bytes | None = None,
        *,
        room: int = 1 << 20,
        reach: tuple[Network, ...] = (),
        **where: Any,
    ) -> dict[str, bytes]:
        source = Source(
            uri=uri,
            sha256=None if content is None else hashlib.sha256(content).hexdigest(),
            s3=ObjectStore(endpoint=f"https://{HOST}:{self.port}", **where),
            credentials_secret_ref=SecretReference(name="mine") if self.secret else None,
        )
        outside = Outside(self.rules, self.identity.client(), lambda: Names("127.0.0.1"), 10.0)
        await S3(outside, Keyring(self), lambda: NOW).fetch(source, self.into, Budget(room, reach=reach))
        found = {path.relative_to(self.into).as_posix(): path for path in self.into.rglob("*") if path.is_file()}
        return {name: path.read_bytes() for name, path in found.items()}


@asynccontextmanager
async def store(identity: Identity, folder: Path, objects: dict[str, bytes], **how: Any) -> AsyncIterator[Store]:
    fake = FakeS3(objects, **how)
    async with serving(fake.application(), identity) as port:
        yield Store(fake, port, identity, folder)


async def test_one_object_is_a_file_of_its_name(identity: Identity, tmp_path: Path) -> None:
    async with store(identity, tmp_path, {"models/a/net.onnx": b"onnx"}) as s3:
        assert await s3.fetch("s3://models/a/net.onnx", b"onnx") == {"net.onnx": b"onnx"}
        assert s3.fake.asked == ["/models/a/net.onnx"]


async def test_an_archive_is_unpacked(identity: Identity, tmp_path: Path) -> None:
    async with store(identity, tmp_path, {"models/m.zip": zipped()}) as s3:
        assert await s3.fetch("s3://models/m.zip", zipped()) == {"1/model.py": b"code"}


async def test_a_hostile_archive_is_refused(identity: Identity, tmp_path: Path) -> None:
    async with store(identity, tmp_path, {"models/m.zip": zipped("../evil")}) as s3:
        with pytest.raises(UnsafePathError):
            await s3.fetch("s3://models/m.zip", zipped("../evil"))


@pytest.mark.parametrize("uri", ["s3://models/net", "s3://models/net/"])
async def test_without_a_digest_the_key_is_a_folder(uri: str, identity: Identity, tmp_path: Path) -> None:
    async with store(identity, tmp_path, FOLDER) as s3:
        assert await s3.fetch(uri) == {"1/model.onnx": b"onnx", "labels.txt": b"cat\n"}


async def test_a_folder_of_many_pages_is_whole(identity: Identity, tmp_path: Path) -> None:
    many = {f"models/net/{n:03}.bin": b"%d" % n for n in range(25)}
    async with store(identity, tmp_path, many, page=10) as s3:
        assert len(await s3.fetch("s3://models/net")) == 25
        assert sum("list-type" in path for path in s3.fake.asked) == 3


async def test_a_folders_marker_and_litter_are_left_out(identity: Identity, tmp_path: Path) -> None:
    objects = {"models/net/": b"", "models/net/1/": b"", "models/net/__pycache__/x.pyc": b"x", "models/net/1/m": b"m"}
    async with store(identity, tmp_path, objects) as s3:
        assert await s3.fetch("s3://models/net") == {"1/m": b"m"}


async def test_names_are_signed_as_they_are_sent(identity: Identity, tmp_path: Path) -> None:
    name = "a b/ü+%25&=~.bin"
    async with store(identity, tmp_path, {f"models/net/{name}": b"x"}) as s3:
        assert await s3.fetch("s3://models/net") == {name: b"x"}


async def test_a_bucket_may_be_in_the_host(identity: Identity, tmp_path: Path) -> None:
    async with store(identity, tmp_path, {"net.onnx": b"onnx"}) as s3:
        assert await s3.fetch("s3://models/net.onnx", b"onnx", addressing="VirtualHost") == {"net.onnx": b"onnx"}


async def test_requests_are_signed_for_the_region(identity: Identity, tmp_path: Path) -> None:
    async with store(identity, tmp_path, {"models/net.onnx": b"onnx"}, region="eu-central-1") as s3:
        assert await s3.fetch("s3://models/net.onnx", b"onnx", region="eu-central-1")
        with pytest.raises(DeniedError):
            await s3.fetch("s3://models/net.onnx", b"onnx", region="eu-west-1")


async def test_a_session_token_is_sent(identity: Identity, tmp_path: Path) -> None:
    async with store(identity, tmp_path, {"models/net.onnx": b"onnx"}, key=replace(KEY, token="session")) as s3:
        names = {"AWS_ACCESS_KEY_ID": KEY.id, "AWS_SECRET_ACCESS_KEY": KEY.secret, "AWS_SESSION_TOKEN": "session"}
        s3.secret = secret(f"{HOST}:{s3.port}", **names)
        assert await s3.fetch("s3://models/net.onnx", b"onnx")


async def test_an_open_bucket_needs_no_secret(identity: Identity, tmp_path: Path) -> None:
    async with store(identity, tmp_path, FOLDER, key=None) as s3:
        s3.secret = None
        assert len(await s3.fetch("s3://models/net")) == 2


FAILURES: dict[str, tuple[str, bytes | None, dict[str, Any], type[MoorageError], str]] = {
    "other bytes": ("s3://models/net/labels.txt", b"dog\n", {}, ChecksumError, "expected SHA-256"),
    "no such object": ("s3://models/none.zip", b"", {}, SourceMissingError, "answered 404 NoSuchKey"),
    "an empty folder": ("s3://models/none", None, {}, SourceMissingError, "nothing below none/"),
    "another's key": ("s3://models/net", None, {"key": Key("AKIDTEST", "other")}, DeniedError, "SignatureDoesNotMatch"),
}


@pytest.mark.parametrize("case", FAILURES)
async def test_a_failure_is_told_apart(case: str, identity: Identity, tmp_path: Path) -> None:
    uri, content, how, error, words = FAILURES[case]
    async with store(identity, tmp_path, FOLDER, **how) as s3:
        with pytest.raises(error, match=words) as raised:
            await s3.fetch(uri, content)
        assert KEY.secret not in str(raised.value)
        assert list(s3.into.parent.glob("*.download")) == []


async def test_nobody_listening_is_a_failure(identity: Identity, tmp_path: Path) -> None:
    async with store(identity, tmp_path, {}) as s3:
        pass
    with pytest.raises(UnreachableError):
        await s3.fetch("s3://models/net")


async def test_a_private_address_is_refused_unless_it_is_allowed(identity: Identity, tmp_path: Path) -> None:
    async with store(identity, tmp_path, FOLDER) as s3:
        s3.rules = AddressRules(allowed=(ip_network("10.0.0.0/8"),))
        with pytest.raises(AddressRefusedError):
            await s3.fetch("s3://models/net")
        assert s3.fake.asked == []
        assert len(await s3.fetch("s3://models/net", reach=(ip_network("127.0.0.0/8"),))) == 2


async def test_a_redirect_is_not_followed(identity: Identity, tmp_path: Path) -> None:
    async def moved(_: web.Request) -> web.StreamResponse:
        return web.Response(status=301, headers={"Location": "https://169.254.169.254/"}, text="<Code>Moved</Code>")

    app = web.Application()
    app.add_routes([web.get("/{path:.*}", moved)])
    async with serving(app, identity) as port:
        with pytest.raises(FetchError, match=r"answered 301 Moved: .* see spec.source.s3"):
            await Store(FakeS3(), port, identity, tmp_path).fetch("s3://models/net")


async def test_a_secret_that_is_for_another_host_is_not_used(identity: Identity, tmp_path: Path) -> None:
    async with store(identity, tmp_path, FOLDER) as s3:
        s3.secret = secret("s3.amazonaws.com", accessKeyID=KEY.id, secretAccessKey=KEY.secret)
        with pytest.raises(SecretNotUsableError, match=HOST):
            await s3.fetch("s3://models/net")
        assert s3.fake.asked == []


async def test_a_secret_without_an_access_key_is_not_used(identity: Identity, tmp_path: Path) -> None:
    async with store(identity, tmp_path, FOLDER) as s3:
        s3.secret = secret(f"{HOST}:{s3.port}", token="t0ken")
        with pytest.raises(SecretNotUsableError, match="lacks accessKeyID"):
            await s3.fetch("s3://models/net")


async def test_a_folder_may_not_exceed_the_room(identity: Identity, tmp_path: Path) -> None:
    async with store(identity, tmp_path, {f"models/net/{n}": bytes(1000) for n in range(10)}) as s3:
        with pytest.raises(NoRoomError):
            await s3.fetch("s3://models/net", room=5000)


def entity(text: str) -> str:
    return text.replace('<?xml version="1.0"?>', '<!DOCTYPE x [<!ENTITY a "aaaa">]>')


HOSTILE: dict[str, tuple[Any, str]] = {
    "no XML": (lambda _: "<ListBucketResult>", "no XML"),
    "another document": (lambda _: "<Other/>", "something else"),
    "a document type": (entity, "document type"),
    "a key that was not asked for": (lambda text: text.replace("net/1", "other/1"), "not asked for"),
    "no next page": (lambda text: text.replace("false", "true"), "without its end"),
    "more than a page": (
        lambda text: text.replace("<IsTr", "<Contents><Key>x</Key></Contents>" * 1000 + "<IsTr"),
        "1000",
    ),
    "more than 8 MiB": (lambda text: text.replace("<Contents>", " " * (9 << 20) + "<Contents>"), "8 MiB"),
}


@pytest.mark.parametrize("case", HOSTILE)
async def test_a_hostile_listing_is_refused(case: str, identity: Identity, tmp_path: Path) -> None:
    change, words = HOSTILE[case]
    async with store(identity, tmp_path, {"models/net/1/model.onnx": b"x"}, listing=change) as s3:
        with pytest.raises(SourceInvalidError, match=words):
            await s3.fetch("s3://models/net")


@pytest.mark.parametrize("key", ["../evil", "a/../../evil", "/etc/passwd", "a\\b"])
async def test_a_key_that_leaves_the_folder_is_refused(key: str, identity: Identity, tmp_path: Path) -> None:
    async with store(identity, tmp_path, {f"models/net/{key}": b"x"}) as s3:
        with pytest.raises(UnsafePathError):
            await s3.fetch("s3://models/net")
        assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("other", ["x/y", "./x"])
async def test_two_keys_for_one_path_are_refused(other: str, identity: Identity, tmp_path: Path) -> None:
    async with store(identity, tmp_path, {"models/net/x": b"1", f"models/net/{other}": b"2"}) as s3:
        with pytest.raises(SourceInvalidError):
            await s3.fetch("s3://models/net")


PLACES: dict[str, tuple[ObjectStore, str]] = {
    "AWS": (ObjectStore(), "https://s3.us-east-1.amazonaws.com/models/k"),
    "AWS elsewhere": (ObjectStore(region="eu-central-1"), "https://s3.eu-central-1.amazonaws.com/models/k"),
    "AWS, by host": (ObjectStore(addressing="VirtualHost"), "https://models.s3.us-east-1.amazonaws.com/k"),
    "another server": (ObjectStore(endpoint="https://minio.example:9000"), "https://minio.example:9000/models/k"),
}


@pytest.mark.parametrize("case", PLACES)
def test_where_a_bucket_is(case: str) -> None:
    place, address = PLACES[case]
    url, headers = bucket_of("models", place, None).request(NOW, "k")
    assert (str(url), headers) == (address, {})


def test_a_secret_is_for_the_host_that_is_connected_to() -> None:
    credentials = parse(secret("s3.us-east-1.amazonaws.com", accessKeyID="a", secretAccessKey="b"))
    assert bucket_of("models", ObjectStore(), credentials).key == Key("a", "b")
    with pytest.raises(SecretNotUsableError):
        bucket_of("models", ObjectStore(addressing="VirtualHost"), credentials)
