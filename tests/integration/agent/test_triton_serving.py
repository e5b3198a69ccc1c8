"""Models come, change and go on a real Triton, and none of them costs another a request."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import grpc
import pytest
from grpc import aio

from moorage_agent.protobufs import service_pb2, service_pb2_grpc
from moorage_crds import labels
from tests.integration.agent.stack import adding, inline
from tests.unit.moorage_agent.fakekube import until

if TYPE_CHECKING:
    from tests.integration.agent.stack import Stack

ONE, TWO = inline("add", adding(1)), inline("add", adding(2))
BROKEN = inline("bad", {"1/model.py": "def broken(:\n    pass\n"})


async def test_a_wanted_model_is_loaded_stamped_and_answers(stack: Stack) -> None:
    stack.triton.start()
    stack.start_agent()
    name = await stack.want(ONE)
    await stack.until_said(name, "Loaded")
    assert await stack.infer(name) == (200, 2.0)
    assert await served_stamp(stack, name) == name.rpartition("--")[2]


async def served_stamp(stack: Stack, name: str) -> str:
    url = f"http://127.0.0.1:{stack.triton.ports[0]}/v2/models/{name}/config"
    async with stack.client.get(url, headers={"moorage-inference-key": "inference-key"}) as answer:
        found = await answer.json()
    return str(found["parameters"]["revision"]["string_value"])


async def test_broken_code_is_reported_in_tritons_words_and_costs_the_good_model_no_request(stack: Stack) -> None:
    stack.triton.start()
    stack.start_agent()
    good = await stack.want(ONE)
    await stack.until_said(good, "Loaded")
    async with stack.traffic(good) as traffic:
        bad = await stack.want(BROKEN)
        message = await stack.until_said(bad, "LoadFailed")
        await asyncio.sleep(1)
    assert "SyntaxError: invalid syntax (model.py, line 1)" in message
    assert set(traffic.answers) == {200}
    assert stack.said(good) == ("Loaded", "")
    assert stack.placed() == {good}


async def test_a_corrected_model_loads_beside_its_failed_revision(stack: Stack) -> None:
    stack.triton.start()
    stack.start_agent()
    bad = await stack.want(BROKEN)
    await stack.until_said(bad, "LoadFailed")
    fixed = await stack.want(inline("bad", adding(3)))
    await stack.until_said(fixed, "Loaded")
    await stack.want(BROKEN, None)
    await until(lambda: stack.said(bad) == ("", ""), 20)
    assert await stack.infer(fixed) == (200, 4.0)
    assert stack.placed() == {fixed}


async def test_a_new_revision_serves_beside_the_old_one_until_that_is_let_go(stack: Stack) -> None:
    stack.triton.start()
    stack.start_agent()
    old = await stack.want(ONE)
    await stack.until_said(old, "Loaded")
    async with stack.traffic(old) as traffic:
        new = await stack.want(TWO)
        await stack.until_said(new, "Loaded")
        assert (await stack.infer(old), await stack.infer(new)) == ((200, 2.0), (200, 3.0))
        await stack.want(ONE, labels.DRAINING)
        await asyncio.sleep(1)
    assert set(traffic.answers) == {200}
    async with stack.traffic(new) as traffic:
        await stack.want(ONE, None)
        await until(lambda: stack.placed() == {new} and stack.said(old) == ("", ""), 20)
    assert set(traffic.answers) == {200}
    assert (await stack.infer(old))[0] in (400, 404)


async def test_a_request_in_flight_is_answered_before_its_model_goes(stack: Stack) -> None:
    stack.triton.start()
    stack.start_agent()
    slow = inline("slow", adding(1, during="time.sleep(3)"))
    name = await stack.want(slow)
    await stack.until_said(name, "Loaded")
    request = asyncio.create_task(stack.infer(name))
    await asyncio.sleep(0.5)
    await stack.want(slow, None)
    await stack.until_said(name, "Unloading")
    assert await request == (200, 2.0)
    await until(lambda: stack.placed() == set(), 20)


async def test_without_the_tenants_key_nothing_is_answered(stack: Stack) -> None:
    stack.triton.start()
    stack.start_agent()
    name = await stack.want(ONE)
    await stack.until_said(name, "Loaded")
    assert (await stack.infer(name, None))[0] == 403
    assert (await stack.infer(name, "management-key"))[0] == 403
    base = f"http://127.0.0.1:{stack.triton.ports[0]}/v2"
    for path in (f"/repository/models/{name}/unload", "/repository/index", f"/repository/models/{name}/load"):
        async with stack.client.post(base + path, headers={"moorage-inference-key": "inference-key"}) as answer:
            assert answer.status == 403, path
    assert await stack.infer(name) == (200, 2.0)


@pytest.mark.parametrize("metadata", [(), (("triton-grpc-protocol-moorage-management-key", "wrong"),)])
async def test_without_the_agents_key_grpc_is_unavailable(stack: Stack, metadata: tuple[tuple[str, str], ...]) -> None:
    stack.triton.start()
    async with aio.insecure_channel(stack.triton.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        with pytest.raises(aio.AioRpcError) as raised:
            await stub.RepositoryIndex(service_pb2.RepositoryIndexRequest(), metadata=metadata, timeout=5)
    assert raised.value.code() == grpc.StatusCode.UNAVAILABLE


async def test_an_agent_with_a_wrong_key_reports_no_failure_of_the_model(stack: Stack) -> None:
    stack.triton.start()
    stack.start_agent(TRITON_MANAGEMENT_KEY="wrong")
    name = await stack.want(ONE)
    await stack.until_said(name, "Loading")
    await asyncio.sleep(3)
    assert stack.said(name)[0] == "Loading"


async def test_ten_models_fit_into_the_agents_memory(stack: Stack) -> None:
    stack.triton.start()
    stack.start_agent()
    await stack.until_probe("/startup", 200)
    await asyncio.sleep(2)
    idle = stack.rss()
    loaded = [await stack.want(inline(f"add-{amount}", adding(amount))) for amount in range(10)]
    for name in loaded:
        await stack.until_said(name, "Loaded")
    await asyncio.sleep(2)
    logging.getLogger(__name__).info("RSS idle %.1f MiB, with ten models %.1f MiB", idle, stack.rss())
    assert stack.rss() <= 80
    async with stack.client.get(f"http://127.0.0.1:{stack.port}/metrics") as answer:
        assert 'moorage_agent_revisions{state="Loaded"} 10.0' in await answer.text()


async def test_what_the_agent_is_not_asked_for_is_not_there(stack: Stack) -> None:
    stack.start_agent()
    await stack.until_probe("/healthz", 200)
    assert await stack.probe("/docs") == 404
