"""Processes die, sources hang, and what served before serves again."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import subprocess
import time
import zipfile
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from tests.integration.agent.stack import adding, digest, inline, model
from tests.unit.moorage_agent.fakekube import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aiohttp.typedefs import Handler

    from tests.integration.agent.stack import Stack

ONE = inline("add", adding(1))

log = logging.getLogger(__name__)


def archive(amount: int, padding: int = 0) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, text in adding(amount).items():
            made.writestr(f"add/{name}", text + "#" * padding)
    return out.getvalue()


def held_back(content: bytes, release: asyncio.Event) -> Handler:
    """Return what begins to send at once and goes on when it is released."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(content[:100])
        await release.wait()
        await response.write(content[100:])
        return response

    return handler


async def test_a_killed_triton_serves_again_from_disk_without_agent_and_api_server(stack: Stack) -> None:
    stack.triton.start()
    stack.start_agent()
    names = [await stack.want(inline(f"add-{amount}", adding(amount))) for amount in range(10)]
    for name in names:
        await stack.until_said(name, "Loaded")
    stack.kill_agent()
    stack.triton.kill()
    started = time.monotonic()
    stack.triton.start()
    assert [await stack.infer(name) for name in names] == [(200, 1.0 + amount) for amount in range(10)]
    log.info("ten models answered %.1f s after the start", time.monotonic() - started)


async def test_the_end_of_an_agent_costs_no_request_and_neither_does_its_return(stack: Stack) -> None:
    stack.triton.start()
    stack.start_agent()
    names = [await stack.want(inline(f"add-{amount}", adding(amount)), promoted=True) for amount in range(3)]
    for name in names:
        await stack.until_said(name, "Loaded")
    async with stack.traffic(names[0]) as traffic:
        stack.kill_agent()
        await asyncio.sleep(1)
        said = len(stack.kube.patches)
        stack.start_agent()
        await until(lambda: len(stack.kube.patches) >= said + len(names), 20)
    assert set(traffic.answers) == {200}
    states = {
        each["state"]
        for _, _, body in stack.kube.patches[said:]
        for entry in body["status"]["replicas"]
        for each in entry["revisions"]
    }
    assert states == {"Loaded"}


async def test_a_killed_triton_is_followed(stack: Stack) -> None:
    stack.triton.start()
    stack.start_agent()
    name = await stack.want(ONE)
    await stack.until_said(name, "Loaded")
    stack.triton.kill()
    await stack.until_said(name, "Loading")
    assert stack.placed() == {name}
    stack.triton.start()
    await stack.until_said(name, "Loaded")


async def test_an_agent_killed_in_mid_fetch_recovers(stack: Stack) -> None:
    content, release = archive(5), asyncio.Event()
    url = await stack.downloads("/add.zip", held_back(content, release))
    stack.triton.start()
    stack.start_agent()
    name = await stack.want(model("add", {"uri": url, "sha256": digest(content)}))
    await stack.until_said(name, "Fetching")
    await until(lambda: any((stack.store / "staging").glob("*.download")))
    stack.kill_agent()
    assert stack.placed() == set()
    release.set()
    stack.start_agent()
    await stack.until_said(name, "Loaded")
    assert await stack.infer(name) == (200, 6.0)
    assert list((stack.store / "staging").iterdir()) == []


async def test_a_file_system_that_fills_up_in_mid_fetch_is_a_reason_and_the_model_loads_once_there_is_room(
    stack: Stack, small_store: Path
) -> None:
    content, release = archive(5, padding=1 << 20), asyncio.Event()
    url = await stack.downloads("/add.zip", held_back(content, release))
    stack.triton.start()
    stack.start_agent()
    good = await stack.want(ONE)
    await stack.until_said(good, "Loaded")
    name = await stack.want(model("large", {"uri": url, "sha256": digest(content)}))
    await until(lambda: any((small_store / "staging").glob("*.download")))
    filler = small_store / "filler"
    fill(filler)
    release.set()
    assert "No space left on device" in await stack.until_said(name, "FetchFailed")
    assert stack.reason(name) == "StorageFull"
    assert await stack.infer(good) == (200, 2.0)
    filler.unlink()
    await stack.until_said(name, "Loaded")
    assert await stack.infer(name) == (200, 6.0)


@pytest.fixture
def small_store(stack: Stack) -> Iterator[Path]:
    """A store on a file system of its own, of 8 MiB."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "store", stack.store], check=True)
    yield stack.store
    stack.kill_agent()
    stack.triton.kill()
    subprocess.run(["umount", stack.store], check=True)


def fill(path: Path) -> None:
    """Write until the file system has no room left."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


async def test_an_agent_asked_to_end_in_mid_fetch_does_not_wait_for_it(stack: Stack) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        await asyncio.sleep(3600)
        return response

    url = await stack.downloads("/add.zip", handler)
    stack.start_agent()
    name = await stack.want(model("add", {"uri": url, "sha256": "0" * 64}))
    await stack.until_said(name, "Fetching")
    assert await asyncio.to_thread(stack.terminate_agent) == 0


async def test_a_source_that_hangs_holds_up_no_other_model(stack: Stack) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    url = await stack.downloads("/add.zip", handler)
    stack.triton.start()
    stack.start_agent()
    hanging = await stack.want(model("hanging", {"uri": url, "sha256": "0" * 64}))
    good = await stack.want(ONE)
    await stack.until_said(good, "Loaded")
    assert stack.said(hanging)[0] == "Fetching"


async def test_a_load_that_hangs_holds_up_no_other_model_and_is_given_up(stack: Stack) -> None:
    stack.triton.start()
    stack.start_agent(MOORAGE_LOAD_TIMEOUT="4")
    hanging = await stack.want(inline("hanging", adding(1, before="os._exit(3)")))
    await stack.until_said(hanging, "Loading")
    good = await stack.want(ONE)
    await stack.until_said(good, "Loaded")
    message = await stack.until_said(hanging, "LoadFailed")
    assert "did not finish within 4 s" in message
    await until(lambda: stack.placed() == {good})


async def test_a_source_that_answers_an_error_is_reported_and_retried(stack: Stack) -> None:
    content, statuses = archive(7), [503]

    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(status=statuses.pop()) if statuses else web.Response(body=content)

    url = await stack.downloads("/add.zip", handler)
    stack.triton.start()
    stack.start_agent()
    name = await stack.want(model("add", {"uri": url, "sha256": digest(content)}))
    assert await stack.until_said(name, "FetchFailed") == "localhost answered 503"
    await stack.until_said(name, "Loaded")


async def test_a_model_that_ends_triton_is_blamed_and_the_others_serve_on(stack: Stack) -> None:
    """A kubelet would restart Triton; here the test does."""
    stack.triton.start()
    stack.start_agent()
    good = await stack.want(ONE)
    await stack.until_said(good, "Loaded")
    deadly = await stack.want(inline("deadly", adding(1, before="os.kill(os.getppid(), 9)")))
    for _ in range(2):
        await until(lambda: not stack.triton.is_live(), 40)
        await until(lambda: deadly not in stack.placed())
        await asyncio.to_thread(stack.triton.kill)
        await asyncio.to_thread(stack.triton.start)
        await stack.until_answers(good)
    assert "went away" in await stack.until_said(deadly, "LoadFailed")
    await asyncio.sleep(8)
    assert await stack.infer(good) == (200, 2.0)
    assert stack.placed() == {good}


async def test_triton_may_start_once_what_serves_lies_in_its_repository(stack: Stack) -> None:
    released = asyncio.Event()
    content = archive(1)

    async def handler(_: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.Response(body=content)

    url = await stack.downloads("/add.zip", handler)
    name = await stack.want(model("add", {"uri": url, "sha256": digest(content)}), promoted=True)
    stack.start_agent()
    await stack.until_said(name, "Fetching")
    await asyncio.sleep(1.5)
    assert await stack.probe("/startup") == 503
    released.set()
    await until(lambda: stack.placed() == {name}, 20)
    await stack.until_probe("/startup", 200)
    stack.triton.start()
    assert await stack.infer(name) == (200, 2.0)
    await stack.until_said(name, "Loaded")


async def test_without_the_api_server_what_is_on_disk_serves(stack: Stack) -> None:
    stack.triton.start()
    stack.start_agent()
    name = await stack.want(ONE)
    await stack.until_said(name, "Loaded")
    stack.kill_agent()
    stack.triton.kill()
    stack.start_agent(KUBERNETES_SERVICE_PORT="1")
    assert await stack.until_probe("/startup", 200) > 15
    stack.triton.start()
    assert await stack.infer(name) == (200, 2.0)
    assert await stack.probe("/healthz") == 200
