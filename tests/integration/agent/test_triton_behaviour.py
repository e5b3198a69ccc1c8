"""What Triton does that the agent is built around: each of these, were it to change, would change the design.

They ask a Triton with the flags of the pod, without an agent.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from moorage_agent.triton import Triton
from moorage_crds import names
from tests.integration.agent.stack import adding
from tests.support.triton import INFERENCE_KEY, MANAGEMENT_KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.integration.agent.stack import Stack

CONFIG = """backend: "python" {more}
input {{ name: "X" data_type: TYPE_FP32 dims: -1 }} output {{ name: "Y" data_type: TYPE_FP32 dims: -1 }}
parameters {{ key: "revision" value {{ string_value: "{stamp}" }} }}"""
BROKEN = {"1/model.py": "def broken(:\n"}


def put(stack: Stack, name: str, files: dict[str, str], stamp: str = "one", more: str = "") -> Path:
    """Write a model into the repository, over what is there."""
    folder = stack.store / "repository" / name
    for path, text in (files | {"config.pbtxt": CONFIG.format(stamp=stamp, more=more)}).items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return folder


async def manage(stack: Stack, path: str, body: Any = None) -> tuple[int, str]:
    url = f"http://127.0.0.1:{stack.triton.ports[0]}/v2/repository/{path}"
    headers = {names.MANAGEMENT_HEADER: MANAGEMENT_KEY}
    async with aiohttp.request("POST", url, json=body or {}, headers=headers) as answer:
        return answer.status, await answer.text()


async def load(stack: Stack, name: str, body: Any = None) -> int:
    return (await manage(stack, f"models/{name}/load", body))[0]


async def index(stack: Stack) -> dict[str, tuple[str, str]]:
    found = json.loads((await manage(stack, "index"))[1])
    return {each["name"]: (each.get("state", ""), each.get("reason", "")) for each in found}


async def health(stack: Stack, kind: str) -> int:
    async with stack.client.get(f"http://127.0.0.1:{stack.triton.ports[0]}/v2/health/{kind}") as answer:
        return answer.status


async def stamp(stack: Stack, name: str) -> str:
    return str((await stack.served_config(name))["parameters"]["revision"]["string_value"])


async def test_a_failed_reload_keeps_the_old_version_serving_and_the_index_says_nothing(stack: Stack) -> None:
    put(stack, "a", adding(1))
    stack.triton.start()
    put(stack, "a", BROKEN, "two")
    assert await load(stack, "a") != 200
    assert await stack.infer("a") == (200, 2.0)
    assert await index(stack) == {"a": ("READY", "")}


async def test_a_load_of_a_folder_that_is_older_than_the_one_that_serves_is_answered_200_and_skipped(
    stack: Stack,
) -> None:
    """As a rollback by a swapped link would be; so each revision has a folder and a name of its own."""
    repository = stack.store / "repository"
    put(stack, "older", adding(1), "older").rename(stack.store / "older")
    await asyncio.sleep(0.1)
    put(stack, "newer", adding(2), "newer").rename(stack.store / "newer")
    link = repository / "a"
    link.symlink_to(stack.store / "newer")
    stack.triton.start()
    assert await stack.infer("a") == (200, 3.0)
    link.unlink()
    link.symlink_to(stack.store / "older")
    assert await load(stack, "a") == 200
    assert (await stack.infer("a"), await stamp(stack, "a")) == ((200, 3.0), "newer")


async def test_a_changed_stamp_in_the_config_of_a_load_is_served_and_read_back_and_stays(stack: Stack) -> None:
    put(stack, "a", adding(1))
    stack.triton.start()
    config = (await stack.served_config("a")) | {"parameters": {"revision": {"string_value": "two"}}}
    assert await load(stack, "a", {"parameters": {"config": json.dumps(config)}}) == 200
    assert await stamp(stack, "a") == "two"
    assert await load(stack, "a") == 200
    assert await stamp(stack, "a") == "two"


async def test_a_model_that_is_loading_makes_nothing_else_wait(stack: Stack) -> None:
    put(stack, "a", adding(1))
    stack.triton.start()
    put(stack, "slow", adding(1, before="time.sleep(4)"))
    loading = asyncio.create_task(load(stack, "slow"))
    await asyncio.sleep(1)
    assert (await health(stack, "live"), await stack.infer("a")) == (200, (200, 2.0))
    assert await loading == 200


async def test_a_first_load_that_failed_leaves_triton_live_whatever_its_strict_readiness_says(stack: Stack) -> None:
    put(stack, "a", adding(1))
    stack.triton.start()
    folder = put(stack, "bad", BROKEN)
    assert await load(stack, "bad") != 200
    assert (await manage(stack, "models/bad/unload"))[0] == 200
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()
    assert (await health(stack, "live"), await stack.infer("a")) == (200, (200, 2.0))


async def test_strict_readiness_ends_while_any_model_loads_and_for_ever_with_a_first_load_that_failed(
    stack: Stack,
) -> None:
    """So pods turn it off, and are ready when Triton is live."""
    stack.triton.more = ("--strict-readiness=true",)
    put(stack, "a", adding(1))
    stack.triton.start()
    assert await health(stack, "ready") == 200
    put(stack, "slow", adding(1, before="time.sleep(3)"))
    async with by_grpc(stack, "slow") as loading:
        assert (await health(stack, "ready"), loading.done()) == (400, False)
    assert await health(stack, "ready") == 200
    put(stack, "bad", BROKEN)
    assert await load(stack, "bad") != 200
    assert (await manage(stack, "models/bad/unload"))[0] == 200
    shutil.rmtree(stack.store / "repository" / "bad")
    assert await health(stack, "ready") == 400


async def test_without_strictness_readiness_outlasts_both(stack: Stack) -> None:
    put(stack, "a", adding(1))
    stack.triton.start()
    put(stack, "slow", adding(1, before="time.sleep(3)"))
    async with by_grpc(stack, "slow") as loading:
        assert (await health(stack, "ready"), loading.done()) == (200, False)
    put(stack, "bad", BROKEN)
    assert await load(stack, "bad") != 200
    assert await health(stack, "ready") == 200


async def test_a_load_by_http_holds_up_the_connections_of_its_thread_and_one_by_grpc_none(stack: Stack) -> None:
    """So agents load by gRPC. Triton deals its connections out to eight threads, an idle one all to the first."""
    put(stack, "a", adding(1))
    stack.triton.start()
    for name in ("slow", "slower"):
        put(stack, name, adding(1, before="time.sleep(3)"))
    async with connections(stack, 24) as ask:
        by_http = asyncio.create_task(load(stack, "slow"))
        await asyncio.sleep(1)
        assert await answered_before(by_http, ask) < len(ask)
        async with by_grpc(stack, "slower") as loading:
            assert await answered_before(loading, ask) == len(ask)


@asynccontextmanager
async def by_grpc(stack: Stack, name: str) -> AsyncIterator[asyncio.Task[None]]:
    """Load a model as the agent does; the block runs while it is under way."""
    triton = Triton(stack.triton.grpc, inference_key=INFERENCE_KEY, management_key=MANAGEMENT_KEY, load_timeout=30)
    loading = asyncio.create_task(triton.load(name))
    try:
        await asyncio.sleep(1)
        yield loading
        await loading
    finally:
        await triton.close()


@asynccontextmanager
async def connections(stack: Stack, count: int) -> AsyncIterator[list[Callable[[], Awaitable[object]]]]:
    """Open connections of their own to Triton; each asks model ``a`` when it is called."""
    url = f"http://127.0.0.1:{stack.triton.ports[0]}/v2/models/a/infer"
    body = {"inputs": [{"name": "X", "datatype": "FP32", "shape": [1], "data": [1]}]}
    async with AsyncExitStack() as opened:
        connector = aiohttp.TCPConnector
        sessions = [
            await opened.enter_async_context(aiohttp.ClientSession(connector=connector(limit=1))) for _ in range(count)
        ]

        async def ask(session: aiohttp.ClientSession) -> None:
            async with session.post(url, json=body, headers={names.INFERENCE_HEADER: INFERENCE_KEY}) as answer:
                assert answer.status == 200
                await answer.read()

        await asyncio.gather(*(ask(session) for session in sessions))
        yield [partial(ask, session) for session in sessions]


async def answered_before(load: asyncio.Task[Any], asks: list[Callable[[], Awaitable[object]]]) -> int:
    """Return how many requests that begin during a load are answered before it ends."""
    asked = [asyncio.ensure_future(ask()) for ask in asks]
    early = 0
    while not load.done():
        early = sum(each.done() for each in asked)
        await asyncio.sleep(0.1)
    await asyncio.gather(load, *asked)
    return early


async def test_a_model_that_was_loaded_and_unloaded_leaves_no_process_and_no_shared_memory(stack: Stack) -> None:
    put(stack, "a", adding(1))
    stack.triton.start()
    before = held(stack)
    for number in range(8):
        name = f"cycle-{number}"
        put(stack, name, adding(number))
        assert await load(stack, name) == 200
        assert await stack.infer(name) == (200, 1.0 + number)
        assert (await manage(stack, f"models/{name}/unload"))[0] == 200
        await until_unloaded(stack, name)
    after = held(stack)
    assert (after.processes, after.regions) == (before.processes, before.regions)
    assert after.memory - before.memory < 8 << 20, "a MiB a cycle ends a pod within days"


@dataclass(frozen=True)
class Held:
    """What a Triton holds of its machine."""

    processes: int
    regions: int
    memory: int
    """Resident bytes of the server itself."""


def held(stack: Stack) -> Held:
    assert stack.triton.process
    server = stack.triton.process.pid
    processes = [path for path in Path("/proc").glob("[0-9]*") if is_of(path, server)]
    regions = len(list(Path("/dev/shm").glob(f"triton-{stack.triton.ports[1]}-*")))  # noqa: S108 # Triton's choice
    resident = int(Path(f"/proc/{server}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return Held(len(processes), regions, resident)


def is_of(path: Path, session: int) -> bool:
    """Tell whether a process of /proc is of a session: a Triton and its model processes are one."""
    try:
        return int((path / "stat").read_text().rpartition(")")[2].split()[3]) == session
    except FileNotFoundError:
        return False


async def until_unloaded(stack: Stack, name: str) -> None:
    for _ in range(100):
        if (last := (await index(stack))[name]) == ("UNAVAILABLE", "unloaded"):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{name}: expected to be unloaded, last {last}")


async def test_a_bad_model_does_not_keep_triton_from_starting(stack: Stack) -> None:
    put(stack, "a", adding(1))
    put(stack, "bad", BROKEN)
    stack.triton.start()
    assert await stack.infer("a") == (200, 2.0)
    state, reason = (await index(stack))["bad"]
    assert (state, "SyntaxError" in reason) == ("UNAVAILABLE", True)


async def test_an_unload_is_answered_while_a_request_is_in_flight_and_for_a_name_that_is_none(stack: Stack) -> None:
    put(stack, "slow", adding(1, during="time.sleep(3)"))
    stack.triton.start()
    asked = asyncio.create_task(stack.infer("slow"))
    await asyncio.sleep(1)
    assert (await manage(stack, "models/slow/unload"))[0] == 200
    assert (await index(stack))["slow"][0] == "UNLOADING"
    assert await asked == (200, 2.0)
    assert (await manage(stack, "models/nonesuch/unload"))[0] == 200
    for _ in range(100):
        if (gone := (await index(stack))["slow"]) == ("UNAVAILABLE", "unloaded"):
            break
        await asyncio.sleep(0.1)
    assert gone == ("UNAVAILABLE", "unloaded")


async def test_the_files_of_an_override_serve_without_standing_in_the_index_and_are_lost_with_triton(
    stack: Stack,
) -> None:
    stack.triton.start()
    config = {
        "backend": "python",
        "input": [{"name": "X", "data_type": "TYPE_FP32", "dims": [-1]}],
        "output": [{"name": "Y", "data_type": "TYPE_FP32", "dims": [-1]}],
    }
    content = base64.b64encode(adding(1)["1/model.py"].encode()).decode()
    body = {"parameters": {"config": json.dumps(config), "file:1/model.py": content}}
    assert await load(stack, "a", body) == 200
    assert await stack.infer("a") == (200, 2.0)
    assert await index(stack) == {}
    assert (await stack.ask("a/ready"))[0] == 200
    stack.triton.kill()
    stack.triton.start()
    assert (await stack.ask("a/ready"))[0] != 200


async def test_all_versions_of_a_policy_must_load(stack: Stack) -> None:
    put(stack, "a", adding(1), more="version_policy { all {} }")
    stack.triton.start()
    put(stack, "a", {"2/model.py": "def broken(:\n"}, "two", more="version_policy { all {} }")
    assert await load(stack, "a") != 200
    assert await stamp(stack, "a") == "one"
    assert await stack.infer("a") == (200, 2.0)


async def test_an_ensemble_loses_its_service_with_the_unload_of_a_step(stack: Stack) -> None:
    """So a revision that others are built on must not be unloaded."""
    put(stack, "a", adding(1))
    chain(stack)
    stack.triton.start()
    assert await stack.infer("chain") == (200, 2.0)
    await manage(stack, "models/a/unload")
    for _ in range(100):
        if (answer := await stack.infer("chain"))[0] != 200:
            break
        await asyncio.sleep(0.1)
    assert "has no available versions" in answer[1]


async def test_an_unload_of_dependents_takes_the_steps_of_an_ensemble_with_it(stack: Stack) -> None:
    """Those that came with it; so agents never ask for it: other models may be built on the same steps."""
    stack.triton.start()
    put(stack, "a", adding(1))
    chain(stack)
    assert await load(stack, "chain") == 200
    assert await stack.infer("a") == (200, 2.0)
    body = {"parameters": {"unload_dependents": True}}
    assert (await manage(stack, "models/chain/unload", body))[0] == 200
    await until_unloaded(stack, "chain")
    await until_unloaded(stack, "a")


def chain(stack: Stack) -> None:
    """Write an ensemble of the one model ``a``."""
    (put(stack, "chain", {}) / "1").mkdir()
    (stack.store / "repository" / "chain" / "config.pbtxt").write_text(
        """platform: "ensemble"
        input { name: "X" data_type: TYPE_FP32 dims: -1 } output { name: "Y" data_type: TYPE_FP32 dims: -1 }
        ensemble_scheduling { step { model_name: "a" model_version: -1
            input_map { key: "X" value: "X" } output_map { key: "Y" value: "Y" } } }"""
    )


async def test_an_ensemble_with_a_backend_is_not_even_read(stack: Stack) -> None:
    stack.triton.start()
    put(stack, "chain", {})
    path = stack.store / "repository" / "chain" / "config.pbtxt"
    path.write_text('platform: "ensemble" backend: "ensemble"')
    status, text = await manage(stack, "models/chain/load")
    assert (status, "failed to poll from model repository" in text) == (500, True)


async def test_code_leaves_bytecode_beside_itself_where_it_may_write(stack: Stack) -> None:
    """It makes Triton reload, and runs stale where times are reused; pods have the repository read-only."""
    folder = put(stack, "a", adding(1))
    stack.triton.start()
    assert await stack.infer("a") == (200, 2.0)
    assert [path.name for path in folder.glob("1/__pycache__/*")] == ["model.cpython-311.pyc"]
