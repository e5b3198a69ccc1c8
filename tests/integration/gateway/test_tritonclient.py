"""The unmodified ``tritonclient`` through the whole API, against a real Triton."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import pytest
from tritonclient import http
from tritonclient.utils import InferenceServerException

from tests.integration.gateway.conftest import ADD, FAILING, SUBTRACT, World

ResultT = TypeVar("ResultT")


async def with_client(world: World, act: Callable[[Any], ResultT]) -> ResultT:
    """Let a blocking client act in a thread of its own, since the API runs in this one."""

    def run() -> ResultT:
        client = http.InferenceServerClient(world.url)
        try:
            return act(client)
        finally:
            client.close()

    return await asyncio.to_thread(run)


def tensors(a: list[float], b: list[float], *, binary: bool = True) -> list[Any]:
    inputs = []
    for name, values in (("A", a), ("B", b)):
        tensor = http.InferInput(name, [len(values)], "FP32")
        tensor.set_data_from_numpy(np.array(values, dtype=np.float32), binary_data=binary)
        inputs.append(tensor)
    return inputs


async def test_binary_tensors_go_in_and_come_out(world: World) -> None:
    def act(client: Any) -> Any:
        return client.infer("sum", tensors([1, 2], [10, 20]), headers=world.key)

    result = await with_client(world, act)
    assert result.as_numpy("SUM").tolist() == [11, 22]
    assert result.get_response()["model_name"] == "sum"


async def test_large_tensors_pass_whole(world: World) -> None:
    values = [float(each % 97) for each in range(400_000)]

    def act(client: Any) -> Any:
        return client.infer("sum", tensors(values, values), headers=world.key)

    assert (await with_client(world, act)).as_numpy("SUM").tolist() == [2 * each for each in values]


async def test_json_tensors_go_in_and_come_out(world: World) -> None:
    def act(client: Any) -> Any:
        wanted = [http.InferRequestedOutput("SUM", binary_data=False)]
        inputs = tensors([1, 2], [10, 20], binary=False)
        return client.infer("sum", inputs, outputs=wanted, request_id="7", headers=world.key)

    result = await with_client(world, act)
    assert result.as_numpy("SUM").tolist() == [11, 22]
    assert (result.get_response()["model_name"], result.get_response()["id"]) == ("sum", "7")


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
async def test_compression_both_ways(world: World, algorithm: str) -> None:
    def act(client: Any) -> Any:
        return client.infer(
            "sum",
            tensors([1] * 5000, [2] * 5000),
            headers=world.key,
            request_compression_algorithm=algorithm,
            response_compression_algorithm=algorithm,
        )

    result = await with_client(world, act)
    assert result.as_numpy("SUM").tolist() == [3] * 5000
    assert result.get_response()["model_name"] == "sum"


async def test_health_metadata_configuration_and_statistics(world: World) -> None:
    def act(client: Any) -> dict[str, Any]:
        return {
            "live": client.is_server_live(headers=world.key),
            "ready": client.is_server_ready(headers=world.key),
            "model": client.is_model_ready("sum", headers=world.key),
            "version": client.is_model_ready("sum", "1", headers=world.key),
            "unknown": client.is_model_ready("unknown", headers=world.key),
            "server": client.get_server_metadata(headers=world.key)["name"],
            "metadata": client.get_model_metadata("sum", headers=world.key),
            "config": client.get_model_config("sum", "1", headers=world.key),
            "statistics": client.get_inference_statistics("sum", headers=world.key),
        }

    told = await with_client(world, act)
    assert [told[each] for each in ("live", "ready", "model", "version", "unknown", "server")] == [
        True,
        True,
        True,
        True,
        False,
        "triton",
    ]
    assert told["metadata"]["name"] == told["config"]["name"] == "sum"
    assert told["config"]["parameters"]["revision"]["string_value"] == ADD
    assert [each["name"] for each in told["statistics"]["model_stats"]] == ["sum"]
    assert f"sum--{ADD}" not in str(told)


async def test_a_wrong_type_is_told_in_tritons_words(world: World) -> None:
    def act(client: Any) -> Any:
        inputs = tensors([1], [2])
        inputs[1] = http.InferInput("B", [1], "INT32")
        inputs[1].set_data_from_numpy(np.array([2], dtype=np.int32))
        return client.infer("sum", inputs, headers=world.key)

    with pytest.raises(InferenceServerException, match="data-type") as raised:
        await with_client(world, act)
    assert raised.value.status() == "400"
    assert f"sum--{ADD}" not in raised.value.message()


@pytest.mark.parametrize(
    ("model", "version", "status", "words"),
    [
        ("unknown", "", "404", "Request for unknown model: 'unknown' is not found"),
        ("sum", "9", "404", "Request for unknown model: 'sum' version 9 is not"),
        ("..", "", "400", "DNS label"),
    ],
)
async def test_unknown_names_are_told(world: World, model: str, version: str, status: str, words: str) -> None:
    def act(client: Any) -> Any:
        return client.infer(model, tensors([1], [2]), model_version=version, headers=world.key)

    with pytest.raises(InferenceServerException, match=words) as raised:
        await with_client(world, act)
    assert raised.value.status() == status


async def test_a_model_that_fails_is_told_in_its_own_words(world: World) -> None:
    world.model("u1", traffic={FAILING: 100})

    def act(client: Any) -> Any:
        return client.infer("sum", tensors([1], [2]), headers=world.key)

    with pytest.raises(InferenceServerException, match="the weights are gone") as raised:
        await with_client(world, act)
    assert raised.value.status() == "502"


async def test_without_a_key_nothing_is_told(world: World) -> None:
    def act(client: Any) -> Any:
        return client.get_model_metadata("sum")

    with pytest.raises(InferenceServerException, match="no valid credential") as raised:
        await with_client(world, act)
    assert raised.value.status() == "401"


async def test_traffic_flips_between_two_requests(world: World) -> None:
    def act(client: Any) -> Any:
        return client.infer("sum", tensors([5], [3]), headers=world.key).as_numpy("SUM").tolist()

    assert await with_client(world, act) == [8]
    world.model("u1", traffic={SUBTRACT: 100})
    assert await with_client(world, act) == [2]
