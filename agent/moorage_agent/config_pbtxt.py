"""Write a revision's ``config.pbtxt``: generated from the spec, or the source's own with name and stamp set.

Separate because it decides what Triton runs: the configuration may not name another backend than the spec, which
is what the operator judges a tenant's right to run code by. Protobuf's own parser and writer do the text, so no
value can escape its field.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from google.protobuf import text_format  # type: ignore[import-untyped] # protobuf ships no types

from moorage_agent.errors import ModelFilesError
from moorage_agent.protobufs import model_config_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moorage_agent.revisions import Revision
    from moorage_crds.modeldeployment import Config, Tensor

STAMP = "revision"
"""Key in the configuration's ``parameters`` whose value is the revision hash."""

PYTHON = "python"
"""The one backend whose models are code."""

_PLAIN = re.compile(r"[A-Za-z0-9_.-]+")


def generated(revision: Revision, backend: str, config: Config) -> str:
    """Return a configuration made of the spec alone; what it leaves out, Triton completes from the model."""
    message = model_config_pb2.ModelConfig(max_batch_size=config.max_batch_size)
    _add(message.input, config.inputs)
    _add(message.output, config.outputs)
    return _stamped(message, revision, backend)


def adopted(text: str, revision: Revision, backend: str) -> str:
    """Return the source's own configuration with name, backend and stamp set; raises ModelFilesError."""
    try:
        message = text_format.Parse(text, model_config_pb2.ModelConfig())
    except text_format.ParseError as error:
        raise ModelFilesError(f"config.pbtxt: {error}") from error
    _check_backend(message, backend)
    _check_steps(message)
    return _stamped(message, revision, backend)


def _stamped(message: Any, revision: Revision, backend: str) -> str:
    message.name = revision.triton_name
    message.backend = backend
    message.parameters[STAMP].string_value = revision.hash
    return str(text_format.MessageToString(message))


def _add(field: Any, tensors: Iterable[Tensor]) -> None:
    for tensor in tensors:
        field.add(name=tensor.name, data_type=model_config_pb2.DataType.Value(tensor.data_type), dims=tensor.dims)


def _check_backend(message: Any, backend: str) -> None:
    if message.backend not in ("", backend):
        raise ModelFilesError(f"config.pbtxt names backend {message.backend!r}; the spec names {backend!r}")
    if message.platform and message.platform != backend and not message.platform.startswith(f"{backend}_"):
        raise ModelFilesError(f"config.pbtxt names platform {message.platform!r}; the spec names {backend!r}")
    if backend == PYTHON:
        return
    if message.runtime or message.model_operations.op_library_filename:
        raise ModelFilesError("config.pbtxt brings libraries of its own, which only backend python may")


def _check_steps(message: Any) -> None:
    """Refuse an ensemble whose step is a path: Triton would read it outside of the repository."""
    for step in message.ensemble_scheduling.step:
        if not _PLAIN.fullmatch(step.model_name):
            raise ModelFilesError(f"config.pbtxt: ensemble step {step.model_name!r} is not a model's name")
