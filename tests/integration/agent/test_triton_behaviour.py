"""What Triton does that the agent is built around: each of these, were it to change, would change the design.

They ask a Triton with the flags of the pod, without an agent.
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import aiohttp

from moorage_crds import names
from tests.integration.agent.stack import adding
from tests.support.triton import MANAGEMENT_KEY

if TYPE_CHECKING:
    from pathlib import Path

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
    (put(stack, "chain", {}) / "1").mkdir()
    (stack.store / "repository" / "chain" / "config.pbtxt").write_text(
        """platform: "ensemble"
        input { name: "X" data_type: TYPE_FP32 dims: -1 } output { name: "Y" data_type: TYPE_FP32 dims: -1 }
        ensemble_scheduling { step { model_name: "a" model_version: -1
            input_map { key: "X" value: "X" } output_map { key: "Y" value: "Y" } } }"""
    )
    stack.triton.start()
    assert await stack.infer("chain") == (200, 2.0)
    await manage(stack, "models/a/unload")
    for _ in range(100):
        if (answer := await stack.infer("chain"))[0] != 200:
            break
        await asyncio.sleep(0.1)
    assert "has no available versions" in answer[1]


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
