"""Sources of every scheme against real servers, up to an answer of a real Triton."""

from __future__ import annotations

import hashlib
import io
import tarfile
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from moorage_agent.errors import DeniedError, FetchError, SourceMissingError
from moorage_agent.sources.addresses import AddressRules
from moorage_agent.sources.budget import Budget
from moorage_agent.sources.credentials import Keyring
from moorage_agent.sources.outside import Outside
from moorage_agent.sources.s3 import S3
from moorage_crds import labels
from moorage_crds.errors import MoorageError
from moorage_crds.modeldeployment import ObjectStore, Source
from moorage_crds.schema import SecretReference
from tests.integration.agent.stack import adding, digest, inline, model
from tests.support.s3 import ACCESS_KEY, REGION, SECRET_KEY, S3Server, s3_server
from tests.support.tls import Identity
from tests.unit.moorage_agent.build import secret
from tests.unit.moorage_agent.fakekube import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.agent.stack import Stack

CODE = adding(1)["1/model.py"].encode()


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity.make(tmp_path_factory.mktemp("tls"), "localhost")


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory, identity: Identity) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3"), identity.certificate, identity.key) as server:
        server.put("models", "a/net.onnx", b"onnx")
        server.put("models", "odd/a b/+ü&=~%25.bin", b"odd")
        for number in range(1205):
            server.put("many", f"net/{number:04}.bin", b"%d" % number)
        yield server


class Fetch:
    """The agent's fetcher before the real server."""

    def __init__(self, s3: S3Server, identity: Identity, into: Path) -> None:
        self.s3 = s3
        self.into = into
        self.secret = s3_secret(s3)
        outside = Outside(AddressRules(), identity.client())
        self.fetcher = S3(outside, Keyring(self), lambda: datetime.now(UTC))

    async def read_secret(self, _: str) -> dict[str, Any]:
        return self.secret

    async def __call__(self, uri: str, content: bytes | None = None, region: str = REGION) -> list[str]:
        source = Source(
            uri=uri,
            sha256=None if content is None else hashlib.sha256(content).hexdigest(),
            s3=ObjectStore(endpoint=self.s3.endpoint, region=region),
            credentials_secret_ref=SecretReference(name="mine"),
        )
        loopback = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
        await self.fetcher.fetch(source, self.into, Budget(1 << 20, reach=loopback))
        return sorted(path.relative_to(self.into).as_posix() for path in self.into.rglob("*") if path.is_file())


def s3_secret(s3: S3Server, key: str = SECRET_KEY) -> dict[str, Any]:
    return secret(f"localhost:{s3.port}", accessKeyID=ACCESS_KEY, secretAccessKey=key)


@pytest.fixture
def fetch(s3: S3Server, identity: Identity, tmp_path: Path) -> Fetch:
    (tmp_path / "into").mkdir()
    return Fetch(s3, identity, tmp_path / "into")


async def test_a_signed_object_is_fetched(fetch: Fetch) -> None:
    assert await fetch("s3://models/a/net.onnx", b"onnx") == ["net.onnx"]


async def test_odd_names_are_signed_as_the_server_reads_them(fetch: Fetch) -> None:
    assert await fetch("s3://models/odd") == ["a b/+ü&=~%25.bin"]
    assert (fetch.into / "a b" / "+ü&=~%25.bin").read_bytes() == b"odd"


async def test_a_folder_of_more_than_one_page_is_whole(fetch: Fetch) -> None:
    assert await fetch("s3://many/net") == [f"{number:04}.bin" for number in range(1205)]


REFUSED: dict[str, tuple[str, str, str, type[MoorageError], str]] = {
    "a wrong key": ("s3://models/a", "wrong", REGION, DeniedError, "SignatureDoesNotMatch"),
    "another region": ("s3://models/a", SECRET_KEY, "eu-west-1", FetchError, "the bucket is elsewhere"),
    "no such object": ("s3://models/none.zip", SECRET_KEY, REGION, SourceMissingError, "NoSuchKey"),
    "no such folder": ("s3://models/none", SECRET_KEY, REGION, SourceMissingError, "nothing below"),
    "no such bucket": ("s3://none/net", SECRET_KEY, REGION, SourceMissingError, "NoSuchBucket"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_the_server_refuses_is_told_apart(case: str, fetch: Fetch) -> None:
    uri, key, region, error, words = REFUSED[case]
    fetch.secret = s3_secret(fetch.s3, key)
    with pytest.raises(error, match=words) as raised:
        await fetch(uri, b"" if uri.endswith(".zip") else None, region)
    assert SECRET_KEY not in str(raised.value)


async def test_a_folder_in_s3_is_served_once_its_digest_is_recorded(stack: Stack, tmp_path: Path) -> None:
    with s3_server(tmp_path, stack.identity.certificate, stack.identity.key) as s3:
        s3.put("models", "add/1/model.py", CODE)
        stack.kube.secrets["mine"] = s3_secret(s3)
        stack.triton.start()
        stack.start_agent()
        wanted = model("add", {"uri": "s3://models/add", "s3": {"endpoint": s3.endpoint, "region": REGION}})
        name = await stack.want(wanted, annotations={labels.CREDENTIALS_FROM: "mine"})
        await until(lambda: "sourceDigest" in stack.entry(name), seconds=30)
        assert stack.placed() == set()
        found = stack.entry(name)["sourceDigest"]
        await stack.want(wanted, annotations={labels.CREDENTIALS_FROM: "mine", labels.SOURCE_DIGEST: found})
        await stack.until_said(name, "Loaded")
        assert await stack.infer(name) == (200, 2.0)

        stack.kill_agent()
        stack.triton.kill()
        for folder in (stack.store / "repository").iterdir():
            folder.rename(tmp_path / folder.name)
        s3.put("models", "add/1/model.py", CODE + b"# changed\n")
        stack.triton.start()
        stack.start_agent()
        await stack.until_said(name, "FetchFailed")
        assert stack.entry(name)["reason"] == "SourceChanged"

        s3.put("models", "add/1/model.py", CODE)
        await stack.until_said(name, "Loaded")


async def test_a_folder_of_a_claim_is_served(stack: Stack, tmp_path: Path) -> None:
    folder = tmp_path / "claims" / "models" / "add" / "1"
    folder.mkdir(parents=True)
    (folder / "model.py").write_bytes(CODE)
    stack.triton.start()
    stack.start_agent(MOORAGE_CLAIMS=str(tmp_path / "claims"))
    wanted = model("add", {"uri": "pvc://models/add"})
    name = await stack.want(wanted)
    await until(lambda: "sourceDigest" in stack.entry(name), seconds=30)
    await stack.want(wanted, annotations={labels.SOURCE_DIGEST: stack.entry(name)["sourceDigest"]})
    await stack.until_said(name, "Loaded")
    assert await stack.infer(name) == (200, 2.0)

    other = await stack.want(model("other", {"uri": "pvc://others/add"}))
    await stack.until_said(other, "FetchFailed")
    assert stack.entry(other)["reason"] == "ClaimNotMounted"
    assert stack.said(name) == ("Loaded", "")


def packed(mode: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:  # type: ignore[call-overload] # the mode is a parameter here
        info = tarfile.TarInfo("add/1/model.py")
        info.size = len(CODE)
        tar.addfile(info, io.BytesIO(CODE))
    return out.getvalue()


async def test_a_full_store_costs_nothing_that_serves(stack: Stack) -> None:
    big = bytes(200_000)

    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(body=big)

    url = await stack.downloads("/big.py", handler)
    stack.triton.start()
    stack.start_agent(MOORAGE_STORE_LIMIT="100k")
    name = await stack.want(inline("add", {"1/model.py": CODE.decode()}))
    await stack.until_said(name, "Loaded")
    async with stack.traffic(name) as traffic:
        other = await stack.want(model("big", {"uri": url, "sha256": digest(big)}))
        await stack.until_said(other, "FetchFailed")
    assert stack.entry(other)["reason"] == "StorageFull"
    assert set(traffic.answers) == {200}
    assert list((stack.store / "staging").iterdir()) == []


async def test_an_archive_behind_a_password_is_served_and_a_wrong_one_shows_within_seconds(stack: Stack) -> None:
    content = packed("w:gz")

    async def guarded(request: web.Request) -> web.StreamResponse:
        is_known = request.headers.get("Authorization") == "Bearer t0ken"
        return web.Response(body=content) if is_known else web.Response(status=401)

    url = await stack.downloads("/add.tar.gz", guarded)
    host = url.split("/")[2]
    stack.kube.secrets |= {"right": secret(host, token="t0ken"), "wrong": secret(host, token="wr0ng")}
    stack.triton.start()
    stack.start_agent()
    await stack.until_probe("/startup", 200)
    wanted = model("add", {"uri": url, "sha256": digest(content)})
    name = await stack.want(wanted, annotations={labels.CREDENTIALS_FROM: "wrong"})
    await stack.until_said(name, "FetchFailed")
    assert stack.entry(name)["reason"] == "CredentialsDenied"
    await stack.want(wanted, annotations={labels.CREDENTIALS_FROM: "none"})
    await until(lambda: stack.entry(name).get("reason") == "SecretNotUsable", seconds=30)
    await stack.want(wanted, annotations={labels.CREDENTIALS_FROM: "right"})
    await stack.until_said(name, "Loaded")
    assert await stack.infer(name) == (200, 2.0)
    assert "t0ken" not in stack.log.read_text() + str(stack.kube.patches)
