"""What is wrong with a model has a reason of its own, costs no other model a request, and clears once corrected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from moorage_crds.conditions import REASONS
from tests.integration.agent.stack import TENSORS, adding, digest, inline, model
from tests.unit.moorage_agent.fakekube import until

if TYPE_CHECKING:
    from tests.integration.agent.stack import Stack

CODE = {"inline": {"files": adding(1)}}
DISAGREEING = """
import triton_python_backend_utils as utils
class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        config.add_input({"name": "X", "data_type": "TYPE_FP32", "dims": [3]})
        config.add_output({"name": "Y", "data_type": "TYPE_FP32", "dims": [3]})
        return config
"""
VERSIONS = adding(1) | {"2/model.py": "raise ValueError('second version')"}

LOADS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a syntax error": (
        inline("bad", {"1/model.py": "def broken(:\n"}),
        "CodeFailed",
        "SyntaxError: invalid syntax (model.py, line 1)",
    ),
    "an import of what is not there": (
        inline("bad", {"1/model.py": "import nonesuch\n"}),
        "CodeFailed",
        "No module named 'nonesuch'",
    ),
    "a backend that the image lacks": (
        model("bad", {"inline": {"files": {"1/model.bin": "x"}}}, backend="nonesuch"),
        "BackendUnknown",
        "unable to find backend library for backend 'nonesuch'",
    ),
    "a shape that the model contradicts": (
        inline("bad", {"1/model.py": DISAGREEING}),
        "ShapeMismatch",
        "the model expects dims [3] but the model configuration specifies dims [-1]",
    ),
    "a configuration that Triton alone knows to be wrong": (
        model("bad", CODE, config=TENSORS | {"raw": 'batch_input { kind: BATCH_ELEMENT_COUNT target_name: "Z" }'}),
        "ConfigInvalid",
        "unexpected batch input data type",
    ),
    "a configuration of which Triton does not say what is wrong": (
        model(
            "bad",
            CODE,
            config=TENSORS
            | {"raw": "max_batch_size: 4 dynamic_batching { priority_levels: 2 default_priority_level: 5 }"},
        ),
        "ConfigInvalid",
        "kubectl logs POD -c triton",
    ),
    "an instance on a GPU that is not there": (
        model("bad", CODE, config=TENSORS | {"instanceGroups": [{"kind": "KIND_GPU", "gpus": [0]}]}),
        "ConfigInvalid",
        "unsupported gpu id 0",
    ),
}
FETCHES: dict[str, tuple[dict[str, Any], str, str]] = {
    "a broken config.pbtxt": (
        inline("bad", adding(1) | {"config.pbtxt": "max_batch_size: many"}),
        "ConfigInvalid",
        "Couldn't parse integer: many",
    ),
    "raw that is none": (
        model("bad", CODE, config=TENSORS | {"raw": "frobnicate: 3"}),
        "ConfigInvalid",
        "spec.config.raw: 1:1",
    ),
    "an ensemble that reaches out": (
        model(
            "bad",
            {},
            backend="ensemble",
            config=TENSORS | {"raw": 'ensemble_scheduling { step { model_name: "../../x" } }'},
        ),
        "ConfigInvalid",
        "'../../x' is no model of spec.dependsOn",
    ),
    "code for another backend": (
        model("bad", CODE, backend="onnxruntime"),
        "ModelFilesInvalid",
        "1/model.py is code",
    ),
    "no model at all": (
        inline("bad", {"config.pbtxt": ""}),
        "ModelFilesInvalid",
        "the source holds no model file",
    ),
}


@pytest.mark.parametrize(("state", "cases"), [("LoadFailed", LOADS), ("FetchFailed", FETCHES)])
async def test_each_fault_has_its_reason_and_clears(
    stack: Stack, state: str, cases: dict[str, tuple[dict[str, Any], str, str]]
) -> None:
    stack.triton.start()
    stack.start_agent()
    good = await stack.want(inline("good", adding(1)))
    await stack.until_said(good, "Loaded")
    async with stack.traffic(good) as traffic:
        for number, (case, (data, reason, words)) in enumerate(cases.items()):
            bad = await stack.want(data | {"model": f"bad-{number}"})
            message = await stack.until_said(bad, state)
            assert (stack.reason(bad), words in message) == (reason, True), f"{case}: {stack.reason(bad)} {message}"
            fixed = await stack.want(inline(f"bad-{number}", adding(number)))
            await stack.until_said(fixed, "Loaded")
            assert await stack.infer(fixed) == (200, 1.0 + number)
    assert set(traffic.answers) == {200}
    assert {reason for _, reason, _ in cases.values()} <= REASONS.keys()


async def test_one_of_two_versions_that_fails_fails_the_model(stack: Stack) -> None:
    """Apart from the others and with nothing beside it: Triton 2.51 now and then ends while it lets the good one go."""
    stack.triton.start()
    stack.start_agent()
    config = TENSORS | {"raw": "version_policy { all {} }"}
    bad = await stack.want(model("bad", {"inline": {"files": VERSIONS}}, config=config))
    assert "second version" in await stack.until_said(bad, "LoadFailed")
    assert stack.reason(bad) == "CodeFailed"


async def test_a_store_that_is_full_says_so_and_takes_the_model_once_there_is_room(stack: Stack) -> None:
    stack.triton.start()
    stack.start_agent(MOORAGE_STORE_LIMIT="200Ki")
    large = inline("large", adding(1) | {"1/weights.bin": "x" * 100_000})
    first = await stack.want(large)
    await stack.until_said(first, "Loaded")
    second = await stack.want(inline("second", adding(2) | {"1/weights.bin": "y" * 100_000}))
    await stack.until_said(second, "FetchFailed")
    assert stack.reason(second) == "StorageFull"
    assert await stack.infer(first) == (200, 2.0)
    await stack.want(large, None)
    await stack.until_said(second, "Loaded")
    assert stack.placed() == {second}


async def test_a_corrupt_and_an_interrupted_download_are_not_loaded_and_the_next_one_is(stack: Stack) -> None:
    content = adding(4)["1/model.py"].encode()

    async def handler(request: web.Request) -> web.StreamResponse:
        if attempts.pop(0) == "corrupt":
            return web.Response(body=content[:-1] + b"!")
        response = web.StreamResponse(headers={"Content-Length": str(len(content))})
        await response.prepare(request)
        await response.write(content[:100])
        assert request.transport
        request.transport.close()
        return response

    async def whole(request: web.Request) -> web.StreamResponse:
        return await handler(request) if attempts else web.Response(body=content)

    attempts = ["corrupt", "interrupted"]
    url = await stack.downloads("/model.py", whole)
    stack.triton.start()
    stack.start_agent()
    name = await stack.want(model("add", {"uri": url, "sha256": digest(content)}))
    await stack.until_said(name, "FetchFailed")
    assert stack.reason(name) == "ChecksumMismatch"
    await until(lambda: stack.reason(name) == "SourceUnreachable", 30)
    await stack.until_said(name, "Loaded")
    assert await stack.infer(name) == (200, 5.0)
