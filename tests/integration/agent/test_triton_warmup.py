"""Warm-up requests are answered before a model takes traffic; one that fails costs nobody else anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.integration.agent.stack import TENSORS, adding, inline, model

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.agent.stack import Stack

WARMUP = {"name": "first", "inputs": [{"name": "X", "dataType": "TYPE_FP32", "dims": [3]}]}


def warmed(name: str, files: dict[str, str], *samples: dict[str, Any], **config: Any) -> dict[str, Any]:
    return model(name, {"inline": {"files": files}}, config=TENSORS | {"warmup": list(samples or (WARMUP,))} | config)


def noting(path: Path) -> dict[str, str]:
    """Return a model that writes down what it was asked, before it answers."""
    during = f"""
        with open({str(path)!r}, "a") as out:
            for one in requests:
                out.write(str(utils.get_input_tensor_by_name(one, "X").as_numpy().tolist()) + chr(10))
"""
    return adding(1, during=during.strip().replace("\n            for", "\n            for"))


async def test_the_requests_arrive_before_the_model_counts_as_loaded(stack: Stack) -> None:
    notes = stack.folder / "notes"
    samples = (
        WARMUP | {"count": 2},
        {"name": "file", "inputs": [{"name": "X", "dataType": "TYPE_FP32", "dims": [1], "file": "x"}]},
    )
    files = noting(notes) | {"warmup/x": "\x00\x00\x00A"}
    stack.triton.start()
    stack.start_agent()
    name = await stack.want(warmed("add", files, *samples))
    await stack.until_said(name, "Loaded")
    assert notes.read_text().splitlines() == ["[0.0, 0.0, 0.0]", "[0.0, 0.0, 0.0]", "[8.0]"]


async def test_a_config_pbtxt_may_bring_the_requests_and_triton_sees_none(stack: Stack) -> None:
    notes = stack.folder / "notes"
    own = """max_batch_size: 4 model_warmup {
        name: "theirs" batch_size: 2 inputs { key: "X" value { data_type: TYPE_FP32 dims: 1 zero_data: true } } }"""
    stack.triton.start()
    stack.start_agent()
    name = await stack.want(inline("add", noting(notes) | {"config.pbtxt": own}))
    await stack.until_said(name, "Loaded")
    assert notes.read_text() == "[[0.0], [0.0]]\n"
    assert not (await stack.served_config(name)).get("model_warmup")


async def test_a_restarted_triton_is_warmed_again(stack: Stack) -> None:
    notes = stack.folder / "notes"
    stack.triton.start()
    stack.start_agent()
    name = await stack.want(warmed("add", noting(notes)), promoted=True)
    await stack.until_said(name, "Loaded")
    stack.triton.kill()
    await stack.until_said(name, "Loading")
    stack.triton.start()
    await stack.until_said(name, "Loaded")
    assert len(notes.read_text().splitlines()) == 2


async def test_a_decoupled_model_is_warmed_too(stack: Stack) -> None:
    code = """
import triton_python_backend_utils as utils
class TritonPythonModel:
    def execute(self, requests):
        for one in requests:
            sender = one.get_response_sender()
            for _ in range(3):
                value = utils.get_input_tensor_by_name(one, "X").as_numpy()
                sender.send(utils.InferenceResponse([utils.Tensor("Y", value)]))
            sender.send(flags=utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""
    stack.triton.start()
    stack.start_agent()
    name = await stack.want(warmed("stream", {"1/model.py": code}, decoupled=True))
    await stack.until_said(name, "Loaded")


async def test_a_model_of_sequences_is_warmed_too(stack: Stack) -> None:
    config = {"sequenceBatching": {"controls": [{"name": "START", "kind": "CONTROL_SEQUENCE_START"}]}}
    stack.triton.start()
    stack.start_agent()
    name = await stack.want(warmed("sum", adding(1), maxBatchSize=1, **config))
    await stack.until_said(name, "Loaded")


FAILING: dict[str, tuple[dict[str, str], dict[str, Any], str]] = {
    "code that raises": (adding(1, during="raise ValueError('no luck')"), WARMUP, "ValueError: no luck"),
    "an input that does not exist": (
        adding(1),
        {"name": "first", "inputs": [{"name": "Z", "dataType": "TYPE_FP32", "dims": [3]}]},
        "unexpected inference input 'Z'",
    ),
    "an input of another type": (
        adding(1),
        {"name": "first", "inputs": [{"name": "X", "dataType": "TYPE_INT64", "dims": [3]}]},
        "expects 'FP32'",
    ),
    "a file that does not exist": (
        adding(1),
        {"name": "first", "inputs": [{"name": "X", "dataType": "TYPE_FP32", "dims": [3], "file": "x"}]},
        "no file warmup/x",
    ),
    "an output of another type": (
        {"1/model.py": adding(1)["1/model.py"].replace('"float32"', '"int32"')},
        WARMUP,
        "output 'Y' is INT32, the configuration says FP32",
    ),
    "an output of another name": (
        {"1/model.py": adding(1)["1/model.py"].replace('"Y"', '"Z"')},
        WARMUP,
        "the model answers no output 'Y'",
    ),
}


async def test_a_failed_warm_up_is_a_failed_load_and_costs_the_others_no_request(stack: Stack) -> None:
    stack.triton.start()
    stack.start_agent()
    good = await stack.want(inline("good", adding(1)))
    await stack.until_said(good, "Loaded")
    async with stack.traffic(good) as traffic:
        for number, (files, sample, words) in enumerate(FAILING.values()):
            bad = await stack.want(warmed(f"bad-{number}", files, sample))
            message = await stack.until_said(bad, "LoadFailed")
            assert words in message
            assert stack.reason(bad) == "WarmupFailed"
    assert set(traffic.answers) == {200}
    # Triton 2.51 now and then never finishes an unload; what it has let go of is out of its sight.
    await stack.until_withdrawn({good})
