"""Downloads against a real TLS server on loopback, which an allowed range makes reachable."""

from __future__ import annotations

import asyncio
import hashlib
import io
import socket
import zipfile
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from typing_extensions import override

from moorage_agent.errors import (
    AddressRefusedError,
    ChecksumError,
    DeniedError,
    FetchError,
    KubeError,
    NoRoomError,
    SecretNotUsableError,
    SourceMissingError,
    UnreachableError,
)
from moorage_agent.repository import Repository
from moorage_agent.sources import Sources
from moorage_agent.sources.addresses import AddressRules
from moorage_agent.sources.budget import Budget
from moorage_agent.sources.credentials import Keyring
from moorage_agent.sources.https import Https
from moorage_agent.sources.outside import Outside
from moorage_agent.staging import stage
from moorage_crds.errors import UnsafePathError
from moorage_crds.modeldeployment import Source
from moorage_crds.schema import SecretReference
from tests.support.tls import Identity, serving
from tests.unit.moorage_agent.build import revision, secret, snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp.typedefs import Handler

    from moorage_agent.settings import Network

HOST = "models.test"
LOOPBACK = AddressRules(allowed=(ip_network("127.0.0.1/32"),))
FILE = b"onnx bytes"


class FakeSecrets:
    """No Secrets at all."""

    async def read_secret(self, name: str) -> dict[str, Any]:
        raise KubeError(404, name)


class Names(AbstractResolver):
    """Answers every name with fixed addresses and remembers the names."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        return [
            ResolveResult(hostname=host, host=each, port=port, family=socket.AF_INET, proto=0, flags=0)
            for each in self.addresses
        ]

    @override
    async def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity.make(tmp_path_factory.mktemp("tls"), HOST)


class Downloads:
    """A server, and what is fetched from it."""

    def __init__(self, port: int, identity: Identity, folder: Path) -> None:
        self.port = port
        self.identity = identity
        self.into = folder / "a--0a1b2c3d.partial"
        self.into.mkdir()
        self.names = Names("127.0.0.1")
        self.rules = LOOPBACK
        self.reach: tuple[Network, ...] = ()
        self.seconds = 10.0
        self.secrets: dict[str, dict[str, Any]] = {}

    async def read_secret(self, name: str) -> dict[str, Any]:
        return self.secrets[name]

    def https(self) -> Https:
        return Https(Outside(self.rules, self.identity.client(), lambda: self.names, self.seconds), Keyring(self))

    async def fetch(
        self, path: str, content: bytes = FILE, *, host: str = HOST, room: int = 1 << 20, secret: str | None = None
    ) -> list[str]:
        source = Source(
            uri=f"https://{host}:{self.port}{path}",
            sha256=hashlib.sha256(content).hexdigest(),
            credentials_secret_ref=SecretReference(name=secret) if secret else None,
        )
        await self.https().fetch(source, self.into, Budget(room, reach=self.reach))
        return sorted(str(each.relative_to(self.into)) for each in self.into.rglob("*") if each.is_file())


def zipped(name: str = "1/model.py") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, "code")
    return out.getvalue()


@asynccontextmanager
async def downloads(identity: Identity, folder: Path, routes: dict[str, Handler]) -> AsyncIterator[Downloads]:
    app = web.Application()
    app.add_routes([web.get(path, handler) for path, handler in routes.items()])
    async with serving(app, identity) as port:
        yield Downloads(port, identity, folder)


def answer(body: bytes, **headers: str) -> Handler:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, headers=headers)

    return handler


def redirect(location: str, status: int = 302) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": location.format(port=request.url.port)})

    return handler


async def test_a_bare_file_keeps_its_name(identity: Identity, tmp_path: Path) -> None:
    async with downloads(identity, tmp_path, {"/m/net.onnx": answer(FILE)}) as server:
        assert await server.fetch("/m/net.onnx?signature=x") == ["net.onnx"]
        assert (server.into / "net.onnx").read_bytes() == FILE


async def test_an_archive_is_unpacked(identity: Identity, tmp_path: Path) -> None:
    async with downloads(identity, tmp_path, {"/m.zip": answer(zipped())}) as server:
        assert await server.fetch("/m.zip", zipped()) == ["1/model.py"]


async def test_a_hostile_archive_is_refused(identity: Identity, tmp_path: Path) -> None:
    async with downloads(identity, tmp_path, {"/m.zip": answer(zipped("../evil"))}) as server:
        with pytest.raises(UnsafePathError):
            await server.fetch("/m.zip", zipped("../evil"))


async def test_other_bytes_than_promised_are_refused_before_they_are_unpacked(
    identity: Identity, tmp_path: Path
) -> None:
    async with downloads(identity, tmp_path, {"/m.zip": answer(zipped())}) as server:
        with pytest.raises(ChecksumError, match="expected SHA-256"):
            await server.fetch("/m.zip", b"other")
        assert list(server.into.iterdir()) == []


async def test_the_download_itself_is_always_removed(identity: Identity, tmp_path: Path) -> None:
    async with downloads(identity, tmp_path, {"/m.zip": answer(zipped())}) as server:
        with pytest.raises(FetchError):
            await server.fetch("/m.zip", b"other")
        await server.fetch("/m.zip", zipped())
        assert set(server.into.parent.glob("*")) == {server.into}


async def test_bytes_are_hashed_as_stored_even_when_the_server_says_they_are_compressed(
    identity: Identity, tmp_path: Path
) -> None:
    routes = {"/net.onnx": answer(FILE, **{"Content-Encoding": "gzip"})}
    async with downloads(identity, tmp_path, routes) as server:
        assert await server.fetch("/net.onnx") == ["net.onnx"]


async def test_the_name_is_used_for_tls_and_the_checked_address_for_connecting(
    identity: Identity, tmp_path: Path
) -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request.host)
        return web.Response(body=FILE)

    async with downloads(identity, tmp_path, {"/net.onnx": handler}) as server:
        await server.fetch("/net.onnx")
        assert seen == [f"{HOST}:{server.port}"]
        assert server.names.asked == [HOST]


async def test_a_certificate_of_another_name_is_refused(identity: Identity, tmp_path: Path) -> None:
    async with downloads(identity, tmp_path, {"/net.onnx": answer(FILE)}) as server:
        with pytest.raises(UnreachableError, match="certificate"):
            await server.fetch("/net.onnx", host="other.test")


async def test_a_name_that_resolves_inside_is_refused(identity: Identity, tmp_path: Path) -> None:
    async with downloads(identity, tmp_path, {"/net.onnx": answer(FILE)}) as server:
        server.rules = AddressRules()
        with pytest.raises(AddressRefusedError, match=HOST):
            await server.fetch("/net.onnx")


async def test_a_private_address_is_reached_where_the_tenant_opens_its_range(
    identity: Identity, tmp_path: Path
) -> None:
    async with downloads(identity, tmp_path, {"/net.onnx": answer(FILE)}) as server:
        server.rules, server.reach = AddressRules(), (ip_network("127.0.0.0/8"),)
        assert await server.fetch("/net.onnx") == ["net.onnx"]
        assert len(await server.fetch("/net.onnx", host="127.0.0.1")) == 1


async def test_one_inside_address_among_public_ones_refuses_the_name(identity: Identity, tmp_path: Path) -> None:
    async with downloads(identity, tmp_path, {"/net.onnx": answer(FILE)}) as server:
        server.names = Names("127.0.0.1", "10.0.0.1")
        with pytest.raises(AddressRefusedError):
            await server.fetch("/net.onnx")


async def test_the_systems_own_localhost_is_refused(identity: Identity, tmp_path: Path) -> None:
    source = Source(uri="https://localhost/net.onnx", sha256="0" * 64)
    with pytest.raises(AddressRefusedError):
        await Https(Outside(AddressRules(), identity.client()), Keyring(FakeSecrets())).fetch(
            source, tmp_path / "into", Budget(1)
        )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_followed(status: int, identity: Identity, tmp_path: Path) -> None:
    routes = {"/old": redirect("/new/net.onnx", status), "/new/net.onnx": answer(FILE)}
    async with downloads(identity, tmp_path, routes) as server:
        assert len(await server.fetch("/old")) == 1


INSIDE = {
    "a literal address": "https://127.0.0.2:{port}/net.onnx",
    "an IPv4-mapped literal": "https://[::ffff:127.0.0.1]:{port}/net.onnx",
    "a file": "file:///etc/passwd",
    "plain http": "http://models.test:{port}/net.onnx",
    "credentials": "https://a:b@models.test:{port}/net.onnx",
}


@pytest.mark.parametrize("case", INSIDE)
async def test_a_redirect_to_where_no_source_may_lead_is_refused(case: str, identity: Identity, tmp_path: Path) -> None:
    routes = {"/old": redirect(INSIDE[case]), "/net.onnx": answer(FILE)}
    async with downloads(identity, tmp_path, routes) as server:
        with pytest.raises(AddressRefusedError):
            await server.fetch("/old")


async def test_each_redirect_is_resolved_and_checked_anew(identity: Identity, tmp_path: Path) -> None:
    async with downloads(identity, tmp_path, {"/net.onnx": answer(FILE)}) as server:

        class Rebinding(Names):
            @override
            async def resolve(
                self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
            ) -> list[ResolveResult]:
                found = await super().resolve(host, port, family)
                self.addresses = ("10.0.0.1",)
                return found

        server.names = Rebinding("127.0.0.1")
        app = web.Application()
        app.add_routes([web.get("/old", redirect(f"https://{HOST}:{server.port}/net.onnx"))])
        async with serving(app, identity) as port:
            second, server.port = server.port, port
            with pytest.raises(AddressRefusedError):
                await server.fetch("/old")
            assert second != port


class Recorded:
    """A server's routes that remember what was sent along."""

    def __init__(self) -> None:
        self.sent: list[str | None] = []

    def then(self, handler: Handler) -> Handler:
        async def recording(request: web.Request) -> web.StreamResponse:
            self.sent.append(request.headers.get("Authorization"))
            return await handler(request)

        return recording


async def test_credentials_are_sent_to_their_host(identity: Identity, tmp_path: Path) -> None:
    seen = Recorded()
    routes = {"/old": seen.then(redirect("/net.onnx")), "/net.onnx": seen.then(answer(FILE))}
    async with downloads(identity, tmp_path, routes) as server:
        server.secrets["mine"] = secret(f"{HOST}:{server.port}", token="t0ken")
        await server.fetch("/old", secret="mine")
    assert seen.sent == ["Bearer t0ken"] * 2


async def test_credentials_for_another_host_are_sent_nowhere(identity: Identity, tmp_path: Path) -> None:
    seen = Recorded()
    async with downloads(identity, tmp_path, {"/net.onnx": seen.then(answer(FILE))}) as server:
        server.secrets["mine"] = secret("other.test", token="t0ken")
        with pytest.raises(SecretNotUsableError):
            await server.fetch("/net.onnx", secret="mine")
    assert seen.sent == []


@pytest.mark.parametrize("way", ["another name", "another port"])
async def test_credentials_follow_no_redirect_to_another_server(way: str, identity: Identity, tmp_path: Path) -> None:
    seen = Recorded()
    async with downloads(identity, tmp_path, {"/net.onnx": seen.then(answer(FILE))}) as server:
        host = "127.0.0.1" if way == "another name" else HOST
        app = web.Application()
        app.add_routes([web.get("/old", seen.then(redirect(f"https://{host}:{server.port}/net.onnx")))])
        async with serving(app, identity) as first:
            server.secrets["mine"] = secret(f"{HOST}:{first},{host}:{server.port}", token="t0ken")
            server.port = first
            await server.fetch("/old", secret="mine")
    assert seen.sent == ["Bearer t0ken", None]


async def test_a_refusal_does_not_repeat_the_credentials(identity: Identity, tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=403, text=request.headers["Authorization"])

    async with downloads(identity, tmp_path, {"/net.onnx": handler}) as server:
        server.secrets["mine"] = secret(f"{HOST}:{server.port}", token="t0ken")
        with pytest.raises(DeniedError) as raised:
            await server.fetch("/net.onnx", secret="mine")
    assert str(raised.value) == f"{HOST} answered 403"


async def test_redirects_end(identity: Identity, tmp_path: Path) -> None:
    async with downloads(identity, tmp_path, {"/old": redirect("/old")}) as server:
        with pytest.raises(FetchError, match="redirects"):
            await server.fetch("/old")


async def test_a_redirect_without_address_is_refused(identity: Identity, tmp_path: Path) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(status=302)

    async with downloads(identity, tmp_path, {"/old": handler}) as server:
        with pytest.raises(FetchError, match="no address"):
            await server.fetch("/old")


async def test_an_error_names_host_and_status_and_not_the_address(identity: Identity, tmp_path: Path) -> None:
    async with downloads(identity, tmp_path, {}) as server:
        with pytest.raises(FetchError) as raised:
            await server.fetch("/net.onnx?signature=secret")
        assert str(raised.value) == f"{HOST} answered 404"


STATUSES = {401: DeniedError, 403: DeniedError, 404: SourceMissingError, 410: SourceMissingError, 500: FetchError}


@pytest.mark.parametrize("status", STATUSES)
async def test_a_refusal_is_told_apart(status: int, identity: Identity, tmp_path: Path) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status)

    async with downloads(identity, tmp_path, {"/net.onnx": handler}) as server:
        with pytest.raises(FetchError) as raised:
            await server.fetch("/net.onnx")
        assert type(raised.value) is STATUSES[status]


async def test_a_bare_file_is_served_as_its_backend_expects(identity: Identity, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "store", limit=1 << 20)
    repository.open()
    async with downloads(identity, tmp_path, {"/m/resnet.onnx": answer(FILE)}) as server:
        given = {"uri": f"https://{HOST}:{server.port}/m/resnet.onnx", "sha256": hashlib.sha256(FILE).hexdigest()}
        wanted = revision("a", snapshot(source=given, backend="onnxruntime"))
        await stage(wanted, Sources({"https": server.https()}), repository)
    folder = tmp_path / "store" / "staging" / wanted.triton_name
    assert (folder / "1" / "model.onnx").read_bytes() == FILE
    assert 'backend: "onnxruntime"' in (folder / "config.pbtxt").read_text()


async def test_more_than_the_room_is_not_downloaded(identity: Identity, tmp_path: Path) -> None:
    async with downloads(identity, tmp_path, {"/net.onnx": answer(bytes(100_000))}) as server:
        with pytest.raises(NoRoomError, match="larger than the room"):
            await server.fetch("/net.onnx", room=50_000)


async def test_a_server_that_drips_is_given_up(identity: Identity, tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b"x")
            await asyncio.sleep(0.05)
        return response

    async with downloads(identity, tmp_path, {"/net.onnx": handler}) as server:
        server.seconds = 0.3
        with pytest.raises(UnreachableError, match="within its time"):
            await server.fetch("/net.onnx")


async def test_a_cut_download_is_a_failure(identity: Identity, tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"x" * 10)
        assert request.transport is not None
        request.transport.abort()
        return response

    async with downloads(identity, tmp_path, {"/net.onnx": handler}) as server:
        with pytest.raises(UnreachableError, match="connection failed"):
            await server.fetch("/net.onnx")


async def test_a_name_that_does_not_resolve_is_a_failure(identity: Identity, tmp_path: Path) -> None:
    class Nowhere(Names):
        @override
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            raise OSError(socket.EAI_NONAME, "Name or service not known")

    async with downloads(identity, tmp_path, {}) as server:
        server.names = Nowhere()
        with pytest.raises(UnreachableError, match=f"{HOST}: the name does not resolve"):
            await server.fetch("/net.onnx")


async def test_nobody_listening_is_a_failure(identity: Identity, tmp_path: Path) -> None:
    async with downloads(identity, tmp_path, {}) as server:
        pass
    with pytest.raises(FetchError, match="connection failed"):
        await server.fetch("/net.onnx")
