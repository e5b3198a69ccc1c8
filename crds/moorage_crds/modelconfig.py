"""``spec.config`` of a ModelDeployment: what Triton is told of the model, in fields or in its own words.

Separate because it is Triton's vocabulary, grows with Triton, and decides a revision's hash as a whole.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, JsonValue

from moorage_crds.names import MODEL_NAME_MAX
from moorage_crds.schema import DNS_LABEL, Schema

RAW_MAX: Final = 64 * 1024
"""Longest ``raw``, in characters."""

_DELAY = r"^[0-9]{1,9}(us|ms|s)$"
_MICROSECONDS = {"us": 1, "ms": 1_000, "s": 1_000_000}

DataType = Literal[
    "TYPE_BOOL",
    "TYPE_UINT8",
    "TYPE_UINT16",
    "TYPE_UINT32",
    "TYPE_UINT64",
    "TYPE_INT8",
    "TYPE_INT16",
    "TYPE_INT32",
    "TYPE_INT64",
    "TYPE_FP16",
    "TYPE_FP32",
    "TYPE_FP64",
    "TYPE_STRING",
    "TYPE_BF16",
]

Delay = Annotated[str, Field(pattern=_DELAY, max_length=11)]
"""A time such as ``100us``, ``5ms`` or ``1s``; Triton counts microseconds."""

CONFIG_RULES: list[JsonValue] = [
    {
        "rule": "!has(self.dynamicBatching) || !has(self.sequenceBatching)",
        "message": "at most one of spec.config.dynamicBatching and spec.config.sequenceBatching may be set",
    },
    {
        "rule": (
            "!has(self.dynamicBatching) || self.maxBatchSize == 0 || "
            "self.dynamicBatching.preferredBatchSizes.all(n, n <= self.maxBatchSize)"
        ),
        "message": "spec.config.dynamicBatching.preferredBatchSizes must not exceed spec.config.maxBatchSize",
    },
    {
        "rule": "!has(self.parameters) || self.parameters.all(k, k != 'revision' && !k.startsWith('model.'))",
        "message": "spec.config.parameters must not hold 'revision' or 'model.*', which are Moorage's own",
    },
    {
        "rule": ("!has(self.warmup) || self.maxBatchSize == 0 || self.warmup.all(w, w.batchSize <= self.maxBatchSize)"),
        "message": "batchSize of spec.config.warmup must not exceed spec.config.maxBatchSize",
    },
]
"""CEL rules of ``Config`` that its field types cannot say; they hold for ``{}`` too, before defaults are filled in."""

GROUP_RULES: list[JsonValue] = [
    {
        "rule": "self.kind in ['KIND_GPU', 'KIND_AUTO'] || self.gpus.size() == 0",
        "message": "gpus of spec.config.instanceGroups go with KIND_GPU or KIND_AUTO",
    },
]
"""CEL rules of ``InstanceGroup``."""

SEQUENCE_RULES: list[JsonValue] = [
    {
        "rule": (
            "self.strategy == 'Oldest' || (self.maxCandidateSequences == 0 && self.preferredBatchSizes.size() == 0)"
        ),
        "message": (
            "maxCandidateSequences and preferredBatchSizes of spec.config.sequenceBatching go with strategy Oldest"
        ),
    },
]
"""CEL rules of ``SequenceBatching``."""

CONTROL_RULES: list[JsonValue] = [
    {
        "rule": (
            "self.kind == 'CONTROL_SEQUENCE_CORRID' ? !(self.dataType in ['TYPE_BOOL', 'TYPE_FP32']) : "
            "self.dataType in ['TYPE_BOOL', 'TYPE_INT32', 'TYPE_FP32']"
        ),
        "message": (
            "dataType of spec.config.sequenceBatching.controls must be TYPE_BOOL, TYPE_INT32 or TYPE_FP32, "
            "or for CONTROL_SEQUENCE_CORRID an integer or TYPE_STRING"
        ),
    },
]
"""CEL rules of ``SequenceControl``."""

ModelName = Annotated[str, Field(pattern=DNS_LABEL, max_length=MODEL_NAME_MAX)]
"""Name of a ModelDeployment in the same namespace."""

_BatchSize = Annotated[int, Field(ge=1, le=4096)]


def microseconds(delay: str) -> int:
    """Return a ``Delay`` in Triton's unit."""
    number = delay.rstrip("mus")
    return int(number) * _MICROSECONDS[delay.removeprefix(number)]


class Tensor(Schema):
    """An input or output of the model."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    """Tensor name."""
    data_type: DataType
    """Element type, in Triton's words."""
    dims: Annotated[list[Annotated[int, Field(ge=-1)]], Field(max_length=8)]
    """Shape without the batch dimension; -1 is any size."""


class InstanceGroup(Schema):
    """Copies of the model that run at the same time in one replica."""

    count: Annotated[int, Field(ge=1, le=64)] = 1
    """How many copies; with ``gpus``, on each of them."""
    kind: Literal["KIND_AUTO", "KIND_CPU", "KIND_GPU", "KIND_MODEL"] = "KIND_AUTO"
    """Where they run, in Triton's words."""
    gpus: list[Annotated[int, Field(ge=0, le=63)]] = Field(default=[], max_length=16)
    """GPUs of the replica by number; none is all of them."""


class DynamicBatching(Schema):
    """Requests that wait together are answered together."""

    preferred_batch_sizes: list[_BatchSize] = Field(default=[], max_length=16)
    """Batch sizes that are worth waiting for."""
    max_queue_delay: Delay = "0us"
    """How long a request may wait for others."""
    preserve_ordering: bool = False
    """Answer in the order of arrival."""
    max_queue_size: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Requests that may wait; further ones are refused. 0 is any number."""
    queue_timeout: Delay = "0us"
    """How long a request may wait in all before it is refused; 0 is for ever."""


class SequenceControl(Schema):
    """An input by which Triton tells the model about the sequence."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    """Tensor name."""
    kind: Literal["CONTROL_SEQUENCE_START", "CONTROL_SEQUENCE_END", "CONTROL_SEQUENCE_READY", "CONTROL_SEQUENCE_CORRID"]
    """What it says, in Triton's words."""
    data_type: Literal[
        "TYPE_BOOL", "TYPE_INT32", "TYPE_FP32", "TYPE_INT64", "TYPE_UINT32", "TYPE_UINT64", "TYPE_STRING"
    ] = "TYPE_INT32"
    """Element type. A ``CORRID`` is an integer or string; the others are bool, INT32 or FP32, with 0 and 1."""


class SequenceBatching(Schema):
    """Requests of one sequence reach the same instance, in order; for models that keep state."""

    strategy: Literal["Direct", "Oldest"] = "Direct"
    """``Direct`` keeps a slot of the batch for each sequence; ``Oldest`` batches the oldest requests of many."""
    max_idle: Delay = "0us"
    """Time after which a sequence without requests is given up; 0 is Triton's own, 1 s."""
    max_queue_delay: Delay = "0us"
    """How long a request may wait for those of other sequences."""
    max_candidate_sequences: Annotated[int, Field(ge=0, le=65536)] = 0
    """With ``Oldest``: sequences that are served at the same time; 0 is Triton's own number."""
    preferred_batch_sizes: list[_BatchSize] = Field(default=[], max_length=16)
    """With ``Oldest``: batch sizes that are worth waiting for."""
    controls: list[Annotated[SequenceControl, Field(json_schema_extra={"x-kubernetes-validations": CONTROL_RULES})]] = (
        Field(default=[], max_length=8)
    )
    """Inputs by which Triton tells the model about the sequence."""


class Step(Schema):
    """One model of an ensemble and how its tensors are joined to those of the others."""

    model: ModelName
    """Model of the same tenant; its serving revision is called."""
    inputs: dict[str, Annotated[str, Field(min_length=1, max_length=128)]] = Field(min_length=1, max_length=64)
    """Tensor of the ensemble by the model's input that it goes into."""
    outputs: dict[str, Annotated[str, Field(min_length=1, max_length=128)]] = Field(min_length=1, max_length=64)
    """Tensor of the ensemble by the model's output that it comes from."""


class WarmupInput(Schema):
    """What a warm-up request says to one input."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    """Tensor name."""
    data_type: DataType
    """Element type, in Triton's words."""
    dims: Annotated[list[Annotated[int, Field(ge=1)]], Field(max_length=8)]
    """Shape without the batch dimension."""
    data: Literal["Zero", "Random"] = "Zero"
    """The elements: all 0, false or empty, or each another small one."""
    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", max_length=128)] | None = None
    """File in the folder ``warmup`` of the source that holds the elements as Triton takes them, instead of ``data``."""


class Warmup(Schema):
    """A request that the model must answer before it takes traffic."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    """What messages call it."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 1
    """Size of the batch, where the model has a batch dimension."""
    count: Annotated[int, Field(ge=1, le=1000)] = 1
    """How often it is sent."""
    inputs: list[WarmupInput] = Field(min_length=1, max_length=64)
    """What it says to each input."""


class Config(Schema):
    """What becomes the model's ``config.pbtxt``."""

    max_batch_size: Annotated[int, Field(ge=0, le=4096)] = 0
    """Largest batch; 0 means that the model has no batch dimension."""
    inputs: list[Tensor] = Field(default=[], max_length=64)
    """Input tensors."""
    outputs: list[Tensor] = Field(default=[], max_length=64)
    """Output tensors."""
    instance_groups: list[
        Annotated[InstanceGroup, Field(json_schema_extra={"x-kubernetes-validations": GROUP_RULES})]
    ] = Field(default=[], max_length=16)
    """Copies of the model that run at the same time; none is Triton's own choice."""
    dynamic_batching: DynamicBatching | None = None
    """Requests that wait together are answered together."""
    sequence_batching: (
        Annotated[SequenceBatching, Field(json_schema_extra={"x-kubernetes-validations": SEQUENCE_RULES})] | None
    ) = None
    """Requests of one sequence reach the same instance, in order."""
    decoupled: bool = False
    """The model answers a request any number of times, as a stream."""
    parameters: dict[str, Annotated[str, Field(max_length=4096)]] = Field(default={}, max_length=64)
    """Settings that backend and model read, by name; not what callers may tune."""
    steps: list[Step] = Field(default=[], max_length=32)
    """Models that an ensemble passes its tensors through."""
    warmup: list[Warmup] = Field(default=[], max_length=16)
    """Requests that the model must answer before it takes traffic."""
    raw: Annotated[str, Field(max_length=RAW_MAX)] = ""
    """Text of a ``config.pbtxt``, for all that has no field here."""
