"""Build the requests of a warm-up and judge their answers.

Separate and without I/O. Triton could run them itself while it loads, and would end with a segmentation fault in
about half of the cases in which one fails; sent by the agent, a failing one costs nobody else anything.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import text_format  # type: ignore[import-untyped] # protobuf ships no types

from moorage_agent import warmup_data
from moorage_agent.errors import ConfigError, WarmupError
from moorage_agent.protobufs import model_config_pb2, service_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER: Final = "warmup"
"""Folder of a model whose files hold the elements of inputs; Triton's name for it."""

MAX_BYTES: Final = 8 * 2**20
"""Largest request: the agent's memory is small."""

_SEQUENCE: Final = 1 << 62
"""Number of the sequence that a warm-up is, far from those that clients count."""


def kept(message: Any) -> str:
    """Return the samples of a configuration as text, to be read by ``requests`` after the load; empty without any.

    Raises ConfigError where one could never be sent.
    """
    samples = model_config_pb2.ModelConfig(model_warmup=message.model_warmup)
    for sample in samples.model_warmup:
        for name, said in sample.inputs.items():
            _check(sample.name, name, said)
    return str(text_format.MessageToString(samples))


def _check(sample: str, name: str, said: Any) -> None:
    where = f"warm-up {sample!r}, input {name!r}"
    if any(size < 1 for size in said.dims):
        raise ConfigError(f"{where}: dims must be 1 or more")
    file = said.input_data_file
    if file and ("/" in file or file in (".", "..")):
        raise ConfigError(f"{where}: {file!r} is not the name of a file in the folder {FOLDER}")
    if model_config_pb2.DataType.Name(said.data_type) not in warmup_data.KINDS:
        raise ConfigError(f"{where}: it needs a data type")


def requests(text: str, folder: Path, name: str, config: Any) -> Iterator[tuple[str, Any]]:
    """Yield every request with the name of its sample; ``config`` is what Triton serves the model with."""
    for sample in text_format.Parse(text, model_config_pb2.ModelConfig()).model_warmup:
        request = _request(sample, folder, name, config)
        for _ in range(max(sample.count, 1)):
            yield sample.name, request


def _request(sample: Any, folder: Path, name: str, config: Any) -> Any:
    request = service_pb2.ModelInferRequest(model_name=name)
    left = MAX_BYTES
    for tensor, said in sorted(sample.inputs.items()):
        shape = [*([max(sample.batch_size, 1)] if config.max_batch_size else []), *said.dims]
        content = _content(said, prod(shape), folder, left)
        if content is None:
            raise WarmupError(f"warm-up {sample.name!r} would send more than {MAX_BYTES} bytes")
        left -= len(content)
        request.inputs.add(name=tensor, datatype=_datatype(said.data_type), shape=shape)
        request.raw_input_contents.append(content)
    if config.WhichOneof("scheduling_choice") == "sequence_batching":
        request.parameters["sequence_id"].int64_param = _SEQUENCE
        for edge in ("sequence_start", "sequence_end"):
            request.parameters[edge].bool_param = True
    return request


def _datatype(number: int) -> str:
    name = str(model_config_pb2.DataType.Name(number))
    return "BYTES" if name == warmup_data.STRING else name.removeprefix("TYPE_")


def _content(said: Any, count: int, folder: Path, limit: int) -> bytes | None:
    """Return the elements of an input, None where they are more than ``limit`` bytes."""
    if said.input_data_file:
        return _read(folder / said.input_data_file, limit)
    kind = str(model_config_pb2.DataType.Name(said.data_type))
    return warmup_data.elements(kind, count, limit, is_random=said.random_data)


def _read(path: Path, limit: int) -> bytes | None:
    try:
        return path.read_bytes() if path.stat().st_size <= limit else None
    except OSError as error:
        raise WarmupError(f"the source has no file {FOLDER}/{path.name}") from error


def problem(answer: Any, config: Any) -> str | None:
    """Return what is wrong with an answer to a warm-up request, None when nothing is.

    Triton passes on whatever a model answers, even nothing at all. A decoupled model may leave outputs out.
    """
    found = {output.name: output for output in answer.outputs}
    for output in config.output:
        if output.name in found:
            if wrong := _difference(found[output.name], output, batched=bool(config.max_batch_size)):
                return wrong
        elif not config.model_transaction_policy.decoupled:
            return f"the model answers no output {output.name!r}"
    return None


def _difference(found: Any, expected: Any, *, batched: bool) -> str | None:
    datatype = _datatype(expected.data_type)
    if found.datatype != datatype:
        return f"output {found.name!r} is {found.datatype}, the configuration says {datatype}"
    shape, dims = list(found.shape)[1 if batched else 0 :], list(expected.dims)
    fits = len(shape) == len(dims) and all(want in (-1, have) for have, want in zip(shape, dims, strict=True))
    if fits or expected.HasField("reshape"):
        return None
    return f"output {found.name!r} has shape {shape}, the configuration says {dims}"
