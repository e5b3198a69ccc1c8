"""Downloads through a real proxy: what leaves the pod by CONNECT, what goes straight, and what goes nowhere."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from yarl import URL

from moorage_agent.errors import AddressRefusedError, ChecksumError, FetchError, NoRoomError, UnreachableError
from moorage_agent.sources.addresses import AddressRules
from moorage_agent.sources.budget import Budget
from moorage_agent.sources.credentials import Keyring
from moorage_agent.sources.https import Https
from moorage_agent.sources.outside import Outside
from moorage_agent.sources.proxy import Proxy
from moorage_agent.sources.s3 import S3
from moorage_crds.modeldeployment import ObjectStore, Source
from tests.support.tls import Identity, serving
from tests.unit.moorage_agent.proxying import Tunnels, tunnelling
from tests.unit.moorage_agent.test_https import FILE, FakeSecrets, Names, answer, redirect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HOST = "models.test"
DIGEST = hashlib.sha256(FILE).hexdigest()


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity.make(tmp_path_factory.mktemp("tls"), HOST, "other.test")


@pytest.fixture
async def server(identity: Identity) -> AsyncIterator[int]:
    app = web.Application()
    app.add_routes(
        [
            web.get("/net.onnx", answer(FILE)),
            web.get("/bucket/net.onnx", answer(FILE)),
            web.get("/away", redirect("https://other.test/net.onnx")),
            web.get("/inside", redirect("https://10.0.0.1/net.onnx")),
        ]
    )
    async with serving(app, identity) as port:
        yield port


@pytest.fixture
async def proxy(server: int) -> AsyncIterator[Tunnels]:
    async with tunnelling(server) as made:
        yield made


def outside(
    identity: Identity, proxy: Tunnels, *past: str, names: Names | None = None, seconds: float = 10, **rules: object
) -> Outside:
    found = names or Names()
    given = AddressRules(**rules)  # type: ignore[arg-type]  # as each test says
    through = Proxy(URL(f"http://127.0.0.1:{proxy.port}"), past)
    return Outside(given, identity.client(), lambda: found, seconds, proxy=through)


async def fetch(way: Outside, into: Path, url: str, digest: str = DIGEST, room: int = 1 << 20) -> bytes:
    await asyncio.to_thread(into.mkdir, exist_ok=True)
    await Https(way, Keyring(FakeSecrets())).fetch(Source(uri=url, sha256=digest), into, Budget(room))
    return await asyncio.to_thread(only_file, into)


def only_file(folder: Path) -> bytes:
    (found,) = [each for each in folder.iterdir() if each.is_file()]
    return found.read_bytes()


async def test_a_file_comes_through_the_proxy_and_its_name_is_resolved_there(
    identity: Identity, proxy: Tunnels, tmp_path: Path
) -> None:
    names = Names()
    assert await fetch(outside(identity, proxy, names=names), tmp_path / "m", f"https://{HOST}/net.onnx") == FILE
    assert (proxy.asked, names.asked) == ([f"CONNECT {HOST}:443"], [])


async def test_a_proxy_is_found_by_name_though_its_own_address_is_private(
    identity: Identity, proxy: Tunnels, tmp_path: Path
) -> None:
    names = Names("127.0.0.1")
    way = Outside(
        AddressRules(),
        identity.client(),
        lambda: names,
        proxy=Proxy(URL(f"http://proxy.corp:{proxy.port}")),
    )
    assert await fetch(way, tmp_path / "m", f"https://{HOST}/net.onnx") == FILE
    assert names.asked == ["proxy.corp"]


async def test_objects_of_a_bucket_come_through_the_proxy_too(
    identity: Identity, proxy: Tunnels, tmp_path: Path
) -> None:
    (tmp_path / "m").mkdir()
    store = ObjectStore(endpoint=f"https://{HOST}")
    source = Source(uri="s3://bucket/net.onnx", sha256=DIGEST, s3=store)
    fetcher = S3(outside(identity, proxy), Keyring(FakeSecrets()), lambda: datetime.now(UTC))
    await fetcher.fetch(source, tmp_path / "m", Budget(1 << 20))
    assert (tmp_path / "m" / "net.onnx").read_bytes() == FILE
    assert proxy.asked == [f"CONNECT {HOST}:443"]


async def test_each_redirect_asks_the_proxy_anew(identity: Identity, proxy: Tunnels, tmp_path: Path) -> None:
    assert await fetch(outside(identity, proxy), tmp_path / "m", f"https://{HOST}/away") == FILE
    assert proxy.asked == [f"CONNECT {HOST}:443", "CONNECT other.test:443"]


async def test_a_redirect_inside_is_refused(identity: Identity, proxy: Tunnels, tmp_path: Path) -> None:
    with pytest.raises(AddressRefusedError):
        await fetch(outside(identity, proxy), tmp_path / "m", f"https://{HOST}/inside")
    assert proxy.asked == [f"CONNECT {HOST}:443"]


@pytest.mark.parametrize("past", [HOST, "test", ".test", "*.test", "MODELS.test"])
async def test_what_noproxy_names_is_reached_straight_and_checked_as_ever(
    past: str, identity: Identity, proxy: Tunnels, server: int, tmp_path: Path
) -> None:
    url, names = f"https://{HOST}:{server}/net.onnx", Names("127.0.0.1")
    opened = outside(identity, proxy, past, names=names, allowed=(ip_network("127.0.0.0/8"),))
    assert await fetch(opened, tmp_path / "m", url) == FILE
    with pytest.raises(AddressRefusedError):
        await fetch(outside(identity, proxy, past, names=names), tmp_path / "n", url)
    assert proxy.asked == []


async def test_a_literal_address_that_the_tenant_opens_is_reached_straight(
    identity: Identity, proxy: Tunnels, server: int, tmp_path: Path
) -> None:
    opened = outside(identity, proxy, allowed=(ip_network("127.0.0.0/8"),))
    assert await fetch(opened, tmp_path / "m", f"https://127.0.0.1:{server}/net.onnx") == FILE
    assert proxy.asked == []


REFUSED = [
    "10.0.0.1",
    "127.0.0.1",
    "[::1]",
    "169.254.169.254",
    "203.0.113.7",
    "localhost",
    "kubernetes",
    "kubernetes.default.svc",
    "triton.tenant-other.svc.cluster.local",
    "TRITON.tenant-other.SVC.",
    "metadata.google.internal",
    "router.home.arpa",
    "127.1",
    "0x7f.0x1",
]


@pytest.mark.parametrize("host", REFUSED)
async def test_the_proxy_is_asked_for_nothing_inside(
    host: str, identity: Identity, proxy: Tunnels, tmp_path: Path
) -> None:
    with pytest.raises(AddressRefusedError):
        await fetch(
            outside(identity, proxy, denied=(ip_network("203.0.113.0/24"),)), tmp_path / "m", f"https://{host}/net.onnx"
        )
    assert proxy.asked == []


async def test_the_proxy_is_asked_for_the_port_of_https_alone(
    identity: Identity, proxy: Tunnels, tmp_path: Path
) -> None:
    with pytest.raises(FetchError, match="expected port 443"):
        await fetch(outside(identity, proxy), tmp_path / "m", f"https://{HOST}:22/net.onnx")
    assert proxy.asked == []


async def test_a_refusal_of_the_proxy_is_told(identity: Identity, proxy: Tunnels, tmp_path: Path) -> None:
    proxy.status = 403
    with pytest.raises(UnreachableError, match=f"{HOST}: the proxy answered 403"):
        await fetch(outside(identity, proxy), tmp_path / "m", f"https://{HOST}/net.onnx")


async def test_a_proxy_that_is_not_there_is_told(identity: Identity, tmp_path: Path) -> None:
    away = Tunnels(port=1)
    with pytest.raises(UnreachableError, match="the proxy cannot be reached"):
        await fetch(outside(identity, away), tmp_path / "m", f"https://{HOST}/net.onnx")


async def test_a_proxy_that_never_answers_ends_with_the_time(
    identity: Identity, proxy: Tunnels, tmp_path: Path
) -> None:
    proxy.silent = True
    with pytest.raises(UnreachableError, match="within its time"):
        await fetch(outside(identity, proxy, seconds=0.3), tmp_path / "m", f"https://{HOST}/net.onnx")


async def test_the_bounds_and_the_digest_hold_through_the_proxy(
    identity: Identity, proxy: Tunnels, tmp_path: Path
) -> None:
    way = outside(identity, proxy)
    with pytest.raises(NoRoomError):
        await fetch(way, tmp_path / "m", f"https://{HOST}/net.onnx", room=3)
    with pytest.raises(ChecksumError):
        await fetch(way, tmp_path / "m", f"https://{HOST}/net.onnx", digest="0" * 64)


async def test_the_server_behind_the_proxy_proves_its_name(identity: Identity, proxy: Tunnels, tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="certificate"):
        await fetch(outside(identity, proxy), tmp_path / "m", "https://third.test/net.onnx")
