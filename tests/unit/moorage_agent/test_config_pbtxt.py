from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import text_format  # type: ignore[import-untyped] # protobuf ships no types

from moorage_agent.config_pbtxt import adopted, generated
from moorage_agent.errors import ModelFilesError
from moorage_agent.protobufs import model_config_pb2
from moorage_crds.modeldeployment import Config
from tests.unit.moorage_agent.build import revision

A = revision("a")


def parsed(text: str) -> Any:
    return text_format.Parse(text, model_config_pb2.ModelConfig())


def test_a_generated_configuration_carries_name_backend_and_stamp() -> None:
    found = parsed(generated(A, "onnxruntime", Config()))
    assert (found.name, found.backend) == (A.triton_name, "onnxruntime")
    assert found.parameters["revision"].string_value == A.hash


def test_a_generated_configuration_carries_the_specs_tensors() -> None:
    config = Config.model_validate(
        {
            "maxBatchSize": 8,
            "inputs": [{"name": "X", "dataType": "TYPE_FP32", "dims": [-1, 3]}],
            "outputs": [{"name": "Y", "dataType": "TYPE_STRING", "dims": [1]}],
        }
    )
    found = parsed(generated(A, "python", config))
    assert found.max_batch_size == 8
    assert [(each.name, each.data_type, list(each.dims)) for each in found.input] == [
        ("X", model_config_pb2.TYPE_FP32, [-1, 3])
    ]
    assert [(each.name, each.data_type, list(each.dims)) for each in found.output] == [
        ("Y", model_config_pb2.TYPE_STRING, [1])
    ]


def test_a_tensors_name_cannot_leave_its_field() -> None:
    name = 'X" } ] backend: "python'
    config = Config.model_validate({"inputs": [{"name": name, "dataType": "TYPE_FP32", "dims": [1]}]})
    found = parsed(generated(A, "onnxruntime", config))
    assert (found.input[0].name, found.backend) == (name, "onnxruntime")


def test_a_sources_own_configuration_is_kept_but_for_name_and_stamp() -> None:
    own = (
        'name: "mine" max_batch_size: 4 dynamic_batching {} parameters { key: "revision" value { string_value: "x" } }'
    )
    found = parsed(adopted(own, A, "python"))
    assert (found.name, found.max_batch_size, found.HasField("dynamic_batching")) == (A.triton_name, 4, True)
    assert found.parameters["revision"].string_value == A.hash


@pytest.mark.parametrize(
    ("own", "backend", "message"),
    [
        ("max_batch_size: many", "python", "config.pbtxt"),
        ("frobnicate: 3", "python", "frobnicate"),
        ('backend: "python"', "onnxruntime", "names backend"),
        ('platform: "tensorrt_plan"', "onnxruntime", "names platform"),
        ('runtime: "libevil.so"', "onnxruntime", "libraries"),
        ('model_operations { op_library_filename: "evil.so" }', "onnxruntime", "libraries"),
        ('ensemble_scheduling { step { model_name: "../../x" } }', "ensemble", "ensemble step"),
    ],
)
def test_a_configuration_that_is_wrong_or_reaches_out_is_refused(own: str, backend: str, message: str) -> None:
    with pytest.raises(ModelFilesError, match=message):
        adopted(own, A, backend)


@pytest.mark.parametrize(
    ("own", "backend"),
    [
        ('platform: "onnxruntime_onnx"', "onnxruntime"),
        ('platform: "ensemble" ensemble_scheduling { step { model_name: "a" } }', "ensemble"),
        ('backend: "python" runtime: ""', "python"),
    ],
)
def test_a_configuration_of_the_specs_backend_is_accepted(own: str, backend: str) -> None:
    assert parsed(adopted(own, A, backend)).backend == backend
