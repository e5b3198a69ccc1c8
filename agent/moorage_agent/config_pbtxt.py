"""Write a revision's ``config.pbtxt``: the source's own, under ``spec.config.raw``, under the spec's fields.

Separate because it decides what Triton runs: the configuration may not name another backend than the spec, which
is what the operator judges a tenant's right to run code by. Protobuf's own parser and writer do the text, so no
value can escape its field.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf import text_format  # type: ignore[import-untyped] # protobuf ships no types

from moorage_agent import config_spec, warmup
from moorage_agent.errors import ConfigError
from moorage_agent.protobufs import model_config_pb2

if TYPE_CHECKING:
    from moorage_agent.revisions import Revision
    from moorage_crds.modelconfig import Config

STAMP = "revision"
"""Key in the configuration's ``parameters`` whose value is the revision hash."""

PYTHON = "python"
"""The one backend whose models are code."""

ENSEMBLE = "ensemble"
"""No backend of Triton's but its word for a pipeline of other models, which it calls a platform."""

CALLED = "model."
"""Before a model's name, the key in ``parameters`` whose value is the Triton name to call it by."""

_PARAMETERS = "parameters"


@dataclass(frozen=True)
class Written:
    """What is written into the model's folder."""

    text: str
    """The ``config.pbtxt``."""
    warmup: str
    """Warm-up requests for ``warmup.requests``, empty when there are none."""


def written(revision: Revision, backend: str, config: Config, own: str | None = None) -> Written:
    """Return the configuration with name, backend and stamp set; raises ConfigError.

    ``own`` is the source's. What nobody says, Triton completes from the model. Warm-ups are kept from Triton.
    """
    message = model_config_pb2.ModelConfig()
    for name, text in (("config.pbtxt", own), ("spec.config.raw", config.raw)):
        if text:
            _overlay(message, _parsed(text, name))
    _overlay(message, config_spec.message(config))
    _check_backend(message, backend)
    _check_batching(message)
    _resolve(message, revision)
    samples = warmup.kept(message)
    message.ClearField("model_warmup")
    return Written(_stamped(message, revision, backend), samples)


def _parsed(text: str, name: str) -> Any:
    try:
        return text_format.Parse(text, model_config_pb2.ModelConfig())
    except text_format.ParseError as error:
        raise ConfigError(f"{name}: {error}") from error


def _overlay(base: Any, top: Any) -> None:
    """Let each field that ``top`` sets replace that of ``base``; parameters are joined by key.

    Protobuf's own merge would append lists: the inputs of the spec would follow those of the source.
    """
    for field, _ in top.ListFields():
        if field.name != _PARAMETERS:
            base.ClearField(field.name)
    base.MergeFrom(top)


def _stamped(message: Any, revision: Revision, backend: str) -> str:
    message.name = revision.triton_name
    is_ensemble = backend == ENSEMBLE
    message.backend = "" if is_ensemble else backend
    if is_ensemble:
        message.platform = ENSEMBLE
    message.parameters[STAMP].string_value = revision.hash
    return str(text_format.MessageToString(message))


def _check_backend(message: Any, backend: str) -> None:
    if message.backend not in ("", backend):
        raise ConfigError(f"config.pbtxt names backend {message.backend!r}; the spec names {backend!r}")
    if message.platform and message.platform != backend and not message.platform.startswith(f"{backend}_"):
        raise ConfigError(f"config.pbtxt names platform {message.platform!r}; the spec names {backend!r}")
    if backend == PYTHON:
        return
    if message.runtime or message.model_operations.op_library_filename or message.model_repository_agents.agents:
        raise ConfigError("config.pbtxt brings libraries of its own, which only backend python may")


def _check_batching(message: Any) -> None:
    """Say what Triton would only write into its log: it answers nothing but that it could not read the file."""
    sizes = (message.dynamic_batching.preferred_batch_size, message.sequence_batching.oldest.preferred_batch_size)
    preferred = max((size for each in sizes for size in each), default=0)
    if preferred > message.max_batch_size:
        raise ConfigError(f"preferred batch size {preferred} exceeds the maximum, {message.max_batch_size}")


def _resolve(message: Any, revision: Revision) -> None:
    """Turn models' names into those under which Triton serves them; any other name would reach out of the tenant's."""
    for step in message.ensemble_scheduling.step:
        name = revision.called.get(step.model_name)
        if name is None:
            raise ConfigError(f"ensemble step {step.model_name!r} is no model of spec.dependsOn")
        step.model_name, step.model_version = name, -1
    for model, name in revision.called.items():
        message.parameters[f"{CALLED}{model}"].string_value = name
