"""Turn the fields of ``spec.config`` into Triton's message.

Separate from ``config_pbtxt``, which decides what counts: this only translates, field by field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moorage_agent.protobufs import model_config_pb2
from moorage_crds.modelconfig import microseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from moorage_crds.modelconfig import (
        Config,
        DynamicBatching,
        InstanceGroup,
        SequenceBatching,
        SequenceControl,
        Tensor,
        Warmup,
    )

_LATEST = -1
"""A step's version, in Triton's words: a revision has one."""

_CORRELATION = "CONTROL_SEQUENCE_CORRID"
_FALSE_TRUE = {"TYPE_INT32": "int32_false_true", "TYPE_FP32": "fp32_false_true", "TYPE_BOOL": "bool_false_true"}
"""Control's field by element type; a control that is no CORRID takes one of these types."""


def message(config: Config) -> Any:
    """Return a configuration that sets what the spec sets, and nothing else."""
    made = model_config_pb2.ModelConfig(max_batch_size=config.max_batch_size)
    _add_tensors(made.input, config.inputs)
    _add_tensors(made.output, config.outputs)
    _add_groups(made.instance_group, config.instance_groups)
    if config.dynamic_batching:
        _set_dynamic(made.dynamic_batching, config.dynamic_batching)
    if config.sequence_batching:
        _set_sequence(made.sequence_batching, config.sequence_batching)
    if config.decoupled:
        made.model_transaction_policy.decoupled = True
    for key, value in config.parameters.items():
        made.parameters[key].string_value = value
    for step in config.steps:
        made.ensemble_scheduling.step.add(
            model_name=step.model, model_version=_LATEST, input_map=step.inputs, output_map=step.outputs
        )
    for sample in config.warmup:
        _set_warmup(made.model_warmup.add(name=sample.name, batch_size=sample.batch_size, count=sample.count), sample)
    return made


def _type(name: str) -> int:
    return int(model_config_pb2.DataType.Value(name))


def _add_tensors(field: Any, tensors: Iterable[Tensor]) -> None:
    for tensor in tensors:
        field.add(name=tensor.name, data_type=_type(tensor.data_type), dims=tensor.dims)


def _add_groups(field: Any, groups: Sequence[InstanceGroup]) -> None:
    for group in groups:
        kind = model_config_pb2.ModelInstanceGroup.Kind.Value(group.kind)
        field.add(count=group.count, kind=kind, gpus=group.gpus)


def _set_dynamic(field: Any, batching: DynamicBatching) -> None:
    field.SetInParent()
    field.preferred_batch_size.extend(batching.preferred_batch_sizes)
    field.max_queue_delay_microseconds = microseconds(batching.max_queue_delay)
    field.preserve_ordering = batching.preserve_ordering
    policy = model_config_pb2.ModelQueuePolicy(
        max_queue_size=batching.max_queue_size,
        default_timeout_microseconds=microseconds(batching.queue_timeout),
    )
    if policy.ListFields():
        field.default_queue_policy.CopyFrom(policy)


def _set_sequence(field: Any, batching: SequenceBatching) -> None:
    field.SetInParent()
    field.max_sequence_idle_microseconds = microseconds(batching.max_idle)
    if batching.strategy == "Oldest":
        field.oldest.max_candidate_sequences = batching.max_candidate_sequences
        field.oldest.preferred_batch_size.extend(batching.preferred_batch_sizes)
        field.oldest.SetInParent()
        strategy = field.oldest
    else:
        field.direct.SetInParent()
        strategy = field.direct
    strategy.max_queue_delay_microseconds = microseconds(batching.max_queue_delay)
    for control in batching.controls:
        _set_control(field.control_input.add(name=control.name).control.add(), control)


def _set_control(field: Any, control: SequenceControl) -> None:
    field.kind = model_config_pb2.ModelSequenceBatching.Control.Kind.Value(control.kind)
    if control.kind == _CORRELATION:
        field.data_type = _type(control.data_type)
    else:
        getattr(field, _FALSE_TRUE[control.data_type]).extend([0, 1])


def _set_warmup(field: Any, sample: Warmup) -> None:
    for each in sample.inputs:
        said = field.inputs[each.name]
        said.data_type = _type(each.data_type)
        said.dims.extend(each.dims)
        if each.file:
            said.input_data_file = each.file
        elif each.data == "Random":
            said.random_data = True
        else:
            said.zero_data = True
