"""Warm-up requests and what counts as an answer."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import text_format  # type: ignore[import-untyped] # protobuf ships no types

from moorage_agent import warmup, warmup_data
from moorage_agent.errors import ConfigError, WarmupError
from moorage_agent.protobufs import model_config_pb2, service_pb2

if TYPE_CHECKING:
    from pathlib import Path


def config(text: str = "") -> Any:
    return text_format.Parse(text, model_config_pb2.ModelConfig())


def sample(said: str, more: str = "batch_size: 1") -> str:
    return f'model_warmup {{ name: "w" {more} inputs {{ key: "X" value {{ {said} }} }} }}'


def sent(said: str, more: str = "batch_size: 1", served: str = "", folder: Path | None = None) -> list[Any]:
    text = warmup.kept(config(sample(said, more)))
    found = list(warmup.requests(text, folder or __file__, "a--0a1b2c3d", config(served)))  # type: ignore[arg-type]
    assert {name for name, _ in found} <= {"w"}
    return [request for _, request in found]


def test_a_configuration_without_warm_ups_keeps_nothing() -> None:
    assert warmup.kept(config("max_batch_size: 4")) == ""


def test_zeros_are_sent_in_the_shape_of_the_sample() -> None:
    (request,) = sent("data_type: TYPE_FP32 dims: [2, 3] zero_data: true")
    assert (request.model_name, request.inputs[0].name, request.inputs[0].datatype) == ("a--0a1b2c3d", "X", "FP32")
    assert list(request.inputs[0].shape) == [2, 3]
    assert request.raw_input_contents[0] == bytes(24)


def test_a_model_with_a_batch_dimension_gets_a_batch() -> None:
    (request,) = sent("data_type: TYPE_INT8 dims: [3] zero_data: true", "batch_size: 2", "max_batch_size: 4")
    assert list(request.inputs[0].shape) == [2, 3]
    assert len(request.raw_input_contents[0]) == 6


def test_a_sample_is_sent_as_often_as_it_says() -> None:
    assert len(sent("data_type: TYPE_BOOL dims: [1] zero_data: true", "count: 3")) == 3


def test_a_sequence_begins_and_ends_with_each_request() -> None:
    (request,) = sent("data_type: TYPE_BOOL dims: [1] zero_data: true", served="sequence_batching {}")
    assert request.parameters["sequence_id"].int64_param > 0
    assert request.parameters["sequence_start"].bool_param
    assert request.parameters["sequence_end"].bool_param


def test_a_file_is_sent_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abcd")
    (request,) = sent('data_type: TYPE_FP32 dims: [1] input_data_file: "x"', folder=tmp_path)
    assert request.raw_input_contents[0] == b"abcd"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WarmupError, match="no file warmup/x"):
        sent('data_type: TYPE_FP32 dims: [1] input_data_file: "x"', folder=tmp_path)


def test_more_than_the_agent_can_hold_is_refused() -> None:
    with pytest.raises(WarmupError, match="more than"):
        sent("data_type: TYPE_FP32 dims: [100000000] zero_data: true")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("data_type: TYPE_FP32 dims: [-1] zero_data: true", "dims"),
        ("dims: [1] zero_data: true", "data type"),
        ('data_type: TYPE_FP32 dims: [1] input_data_file: "../../x"', "not the name of a file"),
        ('data_type: TYPE_FP32 dims: [1] input_data_file: ".."', "not the name of a file"),
    ],
)
def test_what_could_never_be_sent_is_an_error_of_the_configuration(said: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        warmup.kept(config(sample(said)))


@pytest.mark.parametrize("kind", sorted(warmup_data.KINDS))
def test_random_elements_have_the_size_of_their_type_and_are_the_same_each_time(kind: str) -> None:
    found = warmup_data.elements(kind, 1000, 1 << 20, is_random=True)
    assert found is not None
    assert len(found) == 1000 * len(warmup_data.block(kind)[0])
    assert found == warmup_data.elements(kind, 1000, 1 << 20, is_random=True)
    assert len(set(found)) > 1


def test_random_floats_lie_between_0_and_1() -> None:
    found = warmup_data.elements("TYPE_FP32", 100, 1000, is_random=True)
    assert found is not None
    assert all(0 <= value < 1 for value in struct.unpack("<100f", found))


CONFIG = 'output { name: "Y" data_type: TYPE_FP32 dims: [-1, 2] }'
ANSWERS = {
    "as configured": (CONFIG, ("Y", "FP32", [7, 2]), None),
    "as configured, with a batch": (CONFIG + "max_batch_size: 4", ("Y", "FP32", [1, 7, 2]), None),
    "another name": (CONFIG, ("Z", "FP32", [7, 2]), "the model answers no output 'Y'"),
    "another type": (CONFIG, ("Y", "INT32", [7, 2]), "output 'Y' is INT32, the configuration says FP32"),
    "another size": (CONFIG, ("Y", "FP32", [7, 3]), "output 'Y' has shape [7, 3], the configuration says [-1, 2]"),
    "another rank": (CONFIG, ("Y", "FP32", [7]), "output 'Y' has shape [7], the configuration says [-1, 2]"),
    "a decoupled model may leave it out": (
        CONFIG + "model_transaction_policy { decoupled: true }",
        ("Z", "FP32", [1]),
        None,
    ),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_must_be_what_the_configuration_says(case: str) -> None:
    served, (name, datatype, shape), expected = ANSWERS[case]
    answer = service_pb2.ModelInferResponse()
    answer.outputs.add(name=name, datatype=datatype, shape=shape)
    assert warmup.problem(answer, config(served)) == expected
