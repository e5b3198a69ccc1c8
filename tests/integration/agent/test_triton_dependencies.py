"""Ensembles and models that call others, on a real Triton: load order, updates, and what is missing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from moorage_crds import labels
from moorage_crds.revision import hash8
from tests.integration.agent.stack import TENSORS, adding, inline, model
from tests.unit.moorage_agent.fakekube import until

if TYPE_CHECKING:
    from tests.integration.agent.stack import Stack

ONE, TWO = inline("add", adding(1)), inline("add", adding(2))
CALLING = """
import json
import triton_python_backend_utils as utils
class TritonPythonModel:
    def initialize(self, args):
        self.called = json.loads(args["model_config"])["parameters"]["model.add"]["string_value"]
    def execute(self, requests):
        answers = []
        for one in requests:
            tensor = utils.get_input_tensor_by_name(one, "X")
            called = utils.InferenceRequest(model_name=self.called, requested_output_names=["Y"], inputs=[tensor])
            answer = called.exec()
            if answer.has_error():
                raise utils.TritonModelException(answer.error().message())
            value = utils.get_output_tensor_by_name(answer, "Y").as_numpy()
            answers.append(utils.InferenceResponse([utils.Tensor("Y", value * 10)]))
        return answers
"""


def chain(called: str, name: str = "chain") -> dict[str, Any]:
    """Return the snapshot of an ensemble that adds twice, built on the revision of a Triton name."""
    steps = [
        {"model": "add", "inputs": {"X": "X"}, "outputs": {"Y": "between"}},
        {"model": "add", "inputs": {"X": "between"}, "outputs": {"Y": "Y"}},
    ]
    warmup = [{"name": "first", "inputs": [{"name": "X", "dataType": "TYPE_FP32", "dims": [2]}]}]
    config = TENSORS | {"steps": steps, "warmup": warmup}
    return model(name, {}, backend="ensemble", config=config, dependencies=built_on(called))


def calling(called: str) -> dict[str, Any]:
    return inline("call", {"1/model.py": CALLING}) | {"dependencies": built_on(called)}


def built_on(called: str) -> dict[str, str]:
    name, _, revision = called.rpartition("--")
    return {name: revision}


def name_of(data: dict[str, Any]) -> str:
    return f"{data['model']}--{hash8(data)}"


async def test_a_model_is_loaded_after_those_that_it_calls(stack: Stack) -> None:
    stack.triton.start()
    stack.start_agent()
    add = name_of(ONE)
    ensemble, code = await stack.want(chain(add)), await stack.want(calling(add))
    for name in (ensemble, code):
        await stack.until_said(name, "LoadFailed")
        assert stack.reason(name) == "DependencyMissing"
    assert stack.said(ensemble)[1] == f"revision {add[-8:]} of model add is not held any more"
    await stack.want(ONE)
    for name in (add, ensemble, code):
        await stack.until_said(name, "Loaded")
    assert (await stack.infer(ensemble), await stack.infer(code)) == ((200, 3.0), (200, 20.0))


async def test_what_is_wanted_at_once_is_loaded_in_order_and_triton_does_so_by_itself_after_a_kill(
    stack: Stack,
) -> None:
    stack.triton.start()
    add = await stack.want(ONE)
    names = [await stack.want(chain(add)), await stack.want(calling(add))]
    stack.start_agent()
    for name in names:
        await stack.until_said(name, "Loaded")
    stack.kill_agent()
    stack.triton.kill()
    stack.triton.start()
    assert [await stack.infer(name) for name in names] == [(200, 3.0), (200, 20.0)]


async def test_an_update_of_what_is_called_costs_no_request(stack: Stack) -> None:
    """The revisions come and go as the operator tells: the new caller beside the old one, then the old ones."""
    stack.triton.start()
    stack.start_agent()
    add = await stack.want(ONE)
    old = await stack.want(chain(add))
    await stack.until_said(old, "Loaded")
    async with stack.traffic(old) as traffic:
        newer = await stack.want(TWO)
        await stack.until_said(newer, "Loaded")
        new = await stack.want(chain(newer))
        await stack.until_said(new, "Loaded")
        assert (await stack.infer(old), await stack.infer(new)) == ((200, 3.0), (200, 5.0))
    assert set(traffic.answers) == {200}
    async with stack.traffic(new) as traffic:
        await stack.want(chain(add), None)
        await until(lambda: old not in stack.placed(), 20)
        await stack.want(ONE, None)
        await until(lambda: stack.placed() == {newer, new}, 20)
        await asyncio.sleep(1)
    assert set(traffic.answers) == {200}


async def test_a_caller_serves_on_after_the_deletion_of_what_it_calls(stack: Stack) -> None:
    stack.triton.start()
    stack.start_agent()
    add = await stack.want(ONE)
    caller = await stack.want(chain(add), promoted=True)
    await stack.until_said(caller, "Loaded")
    async with stack.traffic(caller) as traffic:
        await stack.forget(add)
        await asyncio.sleep(2)
    assert set(traffic.answers) == {200}
    stack.triton.kill()
    await stack.until_said(caller, "Loading")
    stack.triton.start()
    await stack.until_said(caller, "Loaded")
    assert await stack.infer(caller) == (200, 3.0)
    await stack.forget(caller)
    await until(lambda: stack.placed() == set(), 20)


async def test_a_caller_says_why_what_it_calls_is_not_there(stack: Stack) -> None:
    stack.triton.start()
    stack.start_agent()
    good = await stack.want(inline("good", adding(1)))
    broken = inline("add", {"1/model.py": "def broken(:"})
    add = await stack.want(broken)
    caller = await stack.want(chain(add))
    await stack.until_said(add, "LoadFailed")
    message = await stack.until_said(caller, "LoadFailed")
    assert message.startswith("model add is not loaded: ")
    assert "SyntaxError" in message
    await stack.until_said(good, "Loaded")
    fixed = await stack.want(ONE)
    repaired = await stack.want(chain(fixed))
    await stack.until_said(repaired, "Loaded")


async def test_an_ensemble_that_does_not_fit_its_steps_is_told_so(stack: Stack) -> None:
    stack.triton.start()
    stack.start_agent()
    add = await stack.want(ONE)
    wrong = chain(add)
    wrong["config"] = wrong["config"] | {"outputs": [{"name": "Y", "dataType": "TYPE_INT32", "dims": [-1]}]}
    caller = await stack.want(wrong)
    assert "inconsistent data type" in await stack.until_said(caller, "LoadFailed")
    assert stack.reason(caller) == "ShapeMismatch"
    assert await stack.infer(add) == (200, 2.0)
    assert stack.said(add) == ("Loaded", "")
    await stack.want(wrong, labels.DRAINING)
