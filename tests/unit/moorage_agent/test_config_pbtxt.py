from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from google.protobuf import text_format  # type: ignore[import-untyped] # protobuf ships no types

from moorage_agent.config_pbtxt import Written, written
from moorage_agent.errors import ConfigError
from moorage_agent.protobufs import model_config_pb2
from moorage_crds.modelconfig import Config
from tests.unit.moorage_agent.build import revision

A = revision("a")


def parsed(made: Written | str) -> Any:
    text = made.text if isinstance(made, Written) else made
    return text_format.Parse(text, model_config_pb2.ModelConfig())


def test_a_generated_configuration_carries_name_backend_and_stamp() -> None:
    found = parsed(written(A, "onnxruntime", Config()))
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
    found = parsed(written(A, "python", config))
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
    found = parsed(written(A, "onnxruntime", config))
    assert (found.input[0].name, found.backend) == (name, "onnxruntime")


def test_a_sources_own_configuration_is_kept_but_for_name_and_stamp() -> None:
    own = (
        'name: "mine" max_batch_size: 4 dynamic_batching {} parameters { key: "revision" value { string_value: "x" } }'
    )
    found = parsed(written(A, "python", Config(), own))
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
        ('model_repository_agents { agents { name: "evil" } }', "onnxruntime", "libraries"),
        ("max_batch_size: 4 dynamic_batching { preferred_batch_size: 8 }", "python", "preferred batch size 8 exceeds"),
        ("max_batch_size: 4 sequence_batching { oldest { preferred_batch_size: 8 } }", "python", "size 8 exceeds"),
        ('ensemble_scheduling { step { model_name: "../../x" } }', "ensemble", "is no model of"),
    ],
)
def test_a_configuration_that_is_wrong_or_reaches_out_is_refused(own: str, backend: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        written(A, backend, Config(), own)


@pytest.mark.parametrize(
    ("own", "backend"),
    [
        ('platform: "onnxruntime_onnx"', "onnxruntime"),
        ('platform: "ensemble"', "ensemble"),
        ('backend: "python" runtime: ""', "python"),
    ],
)
def test_a_configuration_of_the_specs_backend_is_accepted(own: str, backend: str) -> None:
    assert parsed(written(A, backend, Config(), own)).backend == ("" if backend == "ensemble" else backend)


FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "instance groups": (
        {"instanceGroups": [{"count": 2, "kind": "KIND_CPU"}, {"kind": "KIND_GPU", "gpus": [1]}]},
        "instance_group { count: 2 kind: KIND_CPU } instance_group { count: 1 kind: KIND_GPU gpus: 1 }",
    ),
    "dynamic batching with nothing said": ({"dynamicBatching": {}}, "dynamic_batching {}"),
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
        """max_batch_size: 8 dynamic_batching {
             preferred_batch_size: [4, 8] max_queue_delay_microseconds: 5000 preserve_ordering: true
             default_queue_policy { max_queue_size: 9 default_timeout_microseconds: 2000000 }
        }""",
    ),
    "direct sequences": (
        {
            "sequenceBatching": {
                "maxIdle": "5s",
                "maxQueueDelay": "7us",
                "controls": [
                    {"name": "START", "kind": "CONTROL_SEQUENCE_START"},
                    {"name": "END", "kind": "CONTROL_SEQUENCE_END", "dataType": "TYPE_FP32"},
                    {"name": "READY", "kind": "CONTROL_SEQUENCE_READY", "dataType": "TYPE_BOOL"},
                    {"name": "ID", "kind": "CONTROL_SEQUENCE_CORRID", "dataType": "TYPE_UINT64"},
                ],
            }
        },
        """sequence_batching {
             max_sequence_idle_microseconds: 5000000 direct { max_queue_delay_microseconds: 7 }
             control_input { name: "START" control { kind: CONTROL_SEQUENCE_START int32_false_true: [0, 1] } }
             control_input { name: "END" control { kind: CONTROL_SEQUENCE_END fp32_false_true: [0, 1] } }
             control_input { name: "READY" control { kind: CONTROL_SEQUENCE_READY bool_false_true: [false, true] } }
             control_input { name: "ID" control { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 } }
        }""",
    ),
    "oldest sequences": (
        {
            "maxBatchSize": 4,
            "sequenceBatching": {
                "strategy": "Oldest",
                "maxCandidateSequences": 3,
                "preferredBatchSizes": [4],
                "maxQueueDelay": "1ms",
            },
        },
        """max_batch_size: 4 sequence_batching {
             oldest { max_candidate_sequences: 3 preferred_batch_size: 4 max_queue_delay_microseconds: 1000 }
        }""",
    ),
    "decoupled": ({"decoupled": True}, "model_transaction_policy { decoupled: true }"),
    "parameters": (
        {"parameters": {"a": "b"}},
        'parameters { key: "a" value { string_value: "b" } }',
    ),
    "raw": ({"raw": "optimization { priority: PRIORITY_MAX }"}, "optimization { priority: PRIORITY_MAX }"),
}


@pytest.mark.parametrize("case", FIELDS)
def test_each_field_becomes_tritons_own(case: str) -> None:
    spec, expected = FIELDS[case]
    found = parsed(written(A, "python", Config.model_validate(spec)))
    for said in ("name", "backend"):
        found.ClearField(said)
    del found.parameters["revision"]
    assert found == parsed(expected)


LAYERS: dict[str, tuple[str, dict[str, Any], str]] = {
    "the spec's fields replace the source's": (
        'max_batch_size: 2 input { name: "A" } output { name: "B" }',
        {"inputs": [{"name": "X", "dataType": "TYPE_FP32", "dims": [1]}]},
        'max_batch_size: 2 input { name: "X" data_type: TYPE_FP32 dims: 1 } output { name: "B" }',
    ),
    "raw replaces the source's": (
        "max_batch_size: 2 instance_group { count: 3 }",
        {"raw": "instance_group { count: 1 }"},
        "max_batch_size: 2 instance_group { count: 1 }",
    ),
    "the spec's fields replace raw's": (
        "",
        {"raw": "max_batch_size: 2 dynamic_batching {}", "maxBatchSize": 4},
        "max_batch_size: 4 dynamic_batching {}",
    ),
    "one way of scheduling replaces another": (
        "sequence_batching {}",
        {"dynamicBatching": {}},
        "dynamic_batching {}",
    ),
    "parameters are joined": (
        'parameters { key: "a" value { string_value: "1" } } parameters { key: "b" value { string_value: "1" } }',
        {"parameters": {"b": "2"}},
        'parameters { key: "a" value { string_value: "1" } } parameters { key: "b" value { string_value: "2" } }',
    ),
}


@pytest.mark.parametrize("case", LAYERS)
def test_what_stands_nearer_to_the_spec_wins_field_by_field(case: str) -> None:
    own, spec, expected = LAYERS[case]
    found = parsed(written(A, "python", Config.model_validate(spec), own))
    for said in ("name", "backend"):
        found.ClearField(said)
    del found.parameters["revision"]
    assert found == parsed(expected)


@pytest.mark.parametrize(
    ("raw", "message"),
    [("frobnicate: 3", "spec.config.raw: .*frobnicate"), ('backend: "python"', "names backend")],
)
def test_raw_obeys_the_same_rules(raw: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        written(A, "onnxruntime", Config(raw=raw))


def test_an_ensemble_is_a_platform_to_triton() -> None:
    found = parsed(written(A, "ensemble", Config()))
    assert (found.platform, found.backend) == ("ensemble", "")


CALLER = replace(A, needs={"tokens": "0a1b2c3d", "rank": "11111111"})


def test_the_steps_of_an_ensemble_become_the_revisions_that_its_snapshot_names() -> None:
    steps = {"steps": [{"model": "tokens", "inputs": {"T": "TEXT"}, "outputs": {"I": "IDS"}}]}
    found = parsed(written(CALLER, "ensemble", Config.model_validate(steps)))
    (step,) = found.ensemble_scheduling.step
    assert (step.model_name, step.model_version) == ("tokens--0a1b2c3d", -1)
    assert (dict(step.input_map), dict(step.output_map)) == ({"T": "TEXT"}, {"I": "IDS"})


def test_the_steps_of_a_config_pbtxt_too() -> None:
    own = 'platform: "ensemble" ensemble_scheduling { step { model_name: "rank" } }'
    found = parsed(written(CALLER, "ensemble", Config(), own))
    assert [step.model_name for step in found.ensemble_scheduling.step] == ["rank--11111111"]


@pytest.mark.parametrize("name", ["other", "tokens--0a1b2c3d", "../x"])
def test_a_step_that_is_no_dependency_is_refused(name: str) -> None:
    own = f'ensemble_scheduling {{ step {{ model_name: "{name}" }} }}'
    with pytest.raises(ConfigError, match=re.escape(name)):
        written(CALLER, "ensemble", Config(), own)


def test_code_finds_the_models_that_it_calls_in_its_parameters() -> None:
    found = parsed(written(CALLER, "python", Config()))
    assert found.parameters["model.tokens"].string_value == "tokens--0a1b2c3d"
