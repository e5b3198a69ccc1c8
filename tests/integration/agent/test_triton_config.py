"""What the spec says of a model reaches Triton, which is asked for it, and acts."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from tests.integration.agent.stack import TENSORS, adding, inline, model

if TYPE_CHECKING:
    from tests.integration.agent.stack import Stack

FILES = {"inline": {"files": adding(1)}}

READ_BACK: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "instance groups": (
        {"instanceGroups": [{"count": 2, "kind": "KIND_CPU"}]},
        {"instance_group": [{"count": 2, "kind": "KIND_CPU"}]},
    ),
    "dynamic batching": (
        {
            "maxBatchSize": 8,
            "dynamicBatching": {
                "preferredBatchSizes": [4, 8],
                "maxQueueDelay": "5ms",
                "preserveOrdering": True,
                "maxQueueSize": 9,
                "queueTimeout": "2s",
            },
        },
        {
            "max_batch_size": 8,
            "dynamic_batching": {
                "preferred_batch_size": [4, 8],
                "max_queue_delay_microseconds": 5000,
                "preserve_ordering": True,
                "default_queue_policy": {"max_queue_size": 9, "default_timeout_microseconds": 2000000},
            },
        },
    ),
    "sequences": (
        {
            "maxBatchSize": 4,
            "sequenceBatching": {
                "strategy": "Oldest",
                "maxIdle": "5s",
                "maxCandidateSequences": 3,
                "preferredBatchSizes": [4],
                "maxQueueDelay": "1ms",
                "controls": [{"name": "START", "kind": "CONTROL_SEQUENCE_START"}],
            },
        },
        {
            "sequence_batching": {
                "max_sequence_idle_microseconds": 5000000,
                "oldest": {
                    "max_candidate_sequences": 3,
                    "preferred_batch_size": [4],
                    "max_queue_delay_microseconds": 1000,
                },
                "control_input": [
                    {
                        "name": "START",
                        "control": [{"kind": "CONTROL_SEQUENCE_START", "int32_false_true": [0, 1]}],
                    }
                ],
            }
        },
    ),
    "decoupled": ({"decoupled": True}, {"model_transaction_policy": {"decoupled": True}}),
    "parameters": ({"parameters": {"beams": "4"}}, {"parameters": {"beams": {"string_value": "4"}}}),
    "raw": (
        {"raw": "version_policy { specific { versions: [1] } }"},
        {"version_policy": {"specific": {"versions": [1]}}},
    ),
}


def holds(found: Any, expected: Any) -> bool:
    """Tell whether what Triton says holds what is expected; it fills in more."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(holds(found.get(key), value) for key, value in expected.items())
    if isinstance(expected, list):
        return isinstance(found, list) and len(found) == len(expected) and all(map(holds, found, expected))
    return bool(found == expected) or str(found) == str(expected)


async def test_each_field_of_the_spec_reaches_triton(stack: Stack) -> None:
    stack.triton.start()
    stack.start_agent()
    loaded = {
        case: await stack.want(model(f"add-{number}", FILES, config=TENSORS | config))
        for number, (case, (config, _)) in enumerate(READ_BACK.items())
    }
    for case, name in loaded.items():
        await stack.until_said(name, "Loaded")
        found = await stack.served_config(name)
        assert holds(found, READ_BACK[case][1]), f"{case}: {json.dumps(found)}"


async def test_a_config_of_the_source_is_kept_where_the_spec_says_nothing(stack: Stack) -> None:
    own = """name: "theirs" max_batch_size: 4
        input { name: "X" data_type: TYPE_FP32 dims: -1 } output { name: "Y" data_type: TYPE_FP32 dims: -1 }"""
    stack.triton.start()
    stack.start_agent()
    source = {"inline": {"files": adding(1) | {"config.pbtxt": own}}}
    name = await stack.want(model("add", source, config={"dynamicBatching": {"preferredBatchSizes": [2]}}))
    await stack.until_said(name, "Loaded")
    found = await stack.served_config(name)
    assert holds(found, {"name": name, "max_batch_size": 4, "dynamic_batching": {"preferred_batch_size": [2]}})


def request(values: list[float], **parameters: Any) -> dict[str, Any]:
    return {
        "inputs": [{"name": "X", "datatype": "FP32", "shape": [1, len(values)], "data": values}],
        "parameters": parameters,
    }


async def answered(stack: Stack, name: str, body: Any) -> float:
    status, text = await stack.ask(f"{name}/infer", body)
    assert status == 200, text
    return float(json.loads(text)["outputs"][0]["data"][0])


async def test_requests_that_wait_together_are_answered_together(stack: Stack) -> None:
    counting = adding(0, during="amount = len(requests)")
    counting["1/model.py"] = counting["1/model.py"].replace("+ 0", "* 0 + amount")
    config = TENSORS | {
        "maxBatchSize": 4,
        "instanceGroups": [{"count": 1, "kind": "KIND_CPU"}],
        "dynamicBatching": {"preferredBatchSizes": [4], "maxQueueDelay": "20s"},
    }
    stack.triton.start()
    stack.start_agent()
    name = await stack.want(model("count", {"inline": {"files": counting}}, config=config))
    await stack.until_said(name, "Loaded")
    answers = await asyncio.gather(*(answered(stack, name, request([1])) for _ in range(4)))
    assert answers == [4.0, 4.0, 4.0, 4.0]


async def test_a_sequence_keeps_its_state(stack: Stack) -> None:
    code = """
import triton_python_backend_utils as utils
class TritonPythonModel:
    def initialize(self, args):
        self.sum = 0
    def execute(self, requests):
        answers = []
        for one in requests:
            if utils.get_input_tensor_by_name(one, "START").as_numpy().flatten()[0]:
                self.sum = 0
            value = utils.get_input_tensor_by_name(one, "X").as_numpy()
            self.sum += value.sum()
            answers.append(utils.InferenceResponse([utils.Tensor("Y", (value * 0 + self.sum).astype("float32"))]))
        return answers
"""
    config = TENSORS | {
        "maxBatchSize": 1,
        "sequenceBatching": {"controls": [{"name": "START", "kind": "CONTROL_SEQUENCE_START"}]},
    }
    stack.triton.start()
    stack.start_agent()
    name = await stack.want(model("sum", {"inline": {"files": {"1/model.py": code}}}, config=config))
    await stack.until_said(name, "Loaded")
    bodies = [
        request([1], sequence_id=7, sequence_start=True),
        request([2], sequence_id=7),
        request([3], sequence_id=7, sequence_end=True),
        request([9], sequence_id=8, sequence_start=True, sequence_end=True),
    ]
    assert [await answered(stack, name, body) for body in bodies] == [1.0, 3.0, 6.0, 9.0]


async def test_a_decoupled_model_answers_more_than_once(stack: Stack) -> None:
    code = """
import numpy
import triton_python_backend_utils as utils
class TritonPythonModel:
    def execute(self, requests):
        for one in requests:
            sender = one.get_response_sender()
            for number in range(3):
                sender.send(utils.InferenceResponse([utils.Tensor("Y", numpy.array([number], "float32"))]))
            sender.send(flags=utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""
    stack.triton.start()
    stack.start_agent()
    config = TENSORS | {"decoupled": True}
    name = await stack.want(model("stream", {"inline": {"files": {"1/model.py": code}}}, config=config))
    await stack.until_said(name, "Loaded")
    status, text = await stack.ask(f"{name}/generate_stream", {"X": [1.0]})
    assert status == 200, text
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    assert [json.loads(line)["Y"] for line in lines] == [0.0, 1.0, 2.0]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "raw that is none": ({"raw": "frobnicate: 3"}, "spec.config.raw: 1:1 : Message type"),
    "raw of another backend": ({"raw": 'backend: "onnxruntime"'}, "names backend 'onnxruntime'"),
    "a batch that is too large": (
        {"maxBatchSize": 2, "raw": "dynamic_batching { preferred_batch_size: 4 }"},
        "preferred batch size 4 exceeds the maximum, 2",
    ),
}


async def test_a_config_that_cannot_be_is_refused_and_clears_when_corrected(stack: Stack) -> None:
    stack.triton.start()
    stack.start_agent()
    good = await stack.want(inline("good", adding(1)))
    for number, (config, words) in enumerate(BAD.values()):
        bad = await stack.want(model(f"add-{number}", FILES, config=TENSORS | config))
        assert words in await stack.until_said(bad, "FetchFailed")
        fixed = await stack.want(model(f"add-{number}", FILES))
        await stack.until_said(fixed, "Loaded")
    assert stack.said(good) == ("Loaded", "")
