"""Speak to the Triton of this pod: load, unload, index and stamps, over gRPC with the pod's two keys.

Separate because it is the only place that knows Triton's words and its surprises. gRPC and not HTTP: a load over
HTTP occupies one of the workers that also serve inference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
from grpc import aio

from moorage_agent import refusals
from moorage_agent.config_pbtxt import STAMP
from moorage_agent.errors import TritonLostError, TritonRefusedError, TritonUnavailableError
from moorage_agent.protobufs import service_pb2, service_pb2_grpc
from moorage_crds import names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

READY = "READY"
LOADING = "LOADING"
UNLOADING = "UNLOADING"
UNAVAILABLE = "UNAVAILABLE"
_RANK = (READY, LOADING, UNLOADING, UNAVAILABLE)
"""What a model of several versions counts as: the first of these that one of them is in."""

_CALL_SECONDS = 5.0
_UNLOAD_SECONDS = 30.0
_METADATA = "triton-grpc-protocol-"
"""Triton looks for a restricted protocol's key in metadata under this prefix; its HTTP header has none."""
# gRPC's own reconnecting backs off for up to two minutes; a restarted Triton listens after one second.
_CHANNEL = [
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.max_receive_message_length", 64 * 2**20),  # Answers to warm-up requests.
]


@dataclass(frozen=True)
class TritonModel:
    """What Triton says of one model."""

    state: str
    """``READY``, ``LOADING``, ``UNLOADING``, ``UNAVAILABLE``, or empty when it never was loaded."""
    reason: str = ""
    """Why it is unavailable."""
    stamp: str | None = None
    """The revision hash in the configuration that Triton serves, empty when it has none; None when not read."""


class Triton:
    """One Triton server."""

    def __init__(self, target: str, *, inference_key: str, management_key: str, load_timeout: float) -> None:
        self._channel = aio.insecure_channel(target, options=_CHANNEL)
        self._stub: Any = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        self._load_timeout = load_timeout
        self._metadata = (
            (f"{_METADATA}{names.INFERENCE_HEADER}", inference_key),
            (f"{_METADATA}{names.MANAGEMENT_HEADER}", management_key),
        )

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()

    async def models(self, stamped: Iterable[str]) -> dict[str, TritonModel]:
        """Return every model Triton knows of, with the stamps of those named in ``stamped`` that are ready."""
        request = service_pb2.RepositoryIndexRequest()
        try:
            answer = await self._stub.RepositoryIndex(request, metadata=self._metadata, timeout=_CALL_SECONDS)
        except aio.AioRpcError as error:
            raise TritonUnavailableError(f"Triton does not answer: {error.details()}") from error
        found = _by_name(answer.models)
        for name in stamped:
            if name in found and found[name].state == READY:
                found[name] = TritonModel(READY, stamp=await self.stamp(name))
        return found

    async def stamp(self, name: str) -> str | None:
        """Return the stamp of the configuration that Triton serves a model with, None when it does not tell."""
        request = service_pb2.ModelConfigRequest(name=name)
        try:
            answer = await self._stub.ModelConfig(request, metadata=self._metadata, timeout=_CALL_SECONDS)
        except aio.AioRpcError:
            return None
        parameters = answer.config.parameters
        return str(parameters[STAMP].string_value) if STAMP in parameters else ""

    async def config(self, name: str) -> Any:
        """Return the configuration that Triton serves a model with; raises as ``load``."""
        request = service_pb2.ModelConfigRequest(name=name)
        try:
            answer = await self._stub.ModelConfig(request, metadata=self._metadata, timeout=_CALL_SECONDS)
        except aio.AioRpcError as error:
            self._raise(error, _CALL_SECONDS)
        return answer.config

    async def infer(self, request: Any) -> AsyncIterator[Any]:
        """Yield every answer to a request, whose model may be decoupled; raises as ``load``."""
        call = self._stub.ModelStreamInfer(iter([request]), metadata=self._metadata, timeout=self._load_timeout)
        try:
            async for answer in call:
                if answer.error_message:
                    raise TritonRefusedError(answer.error_message)
                yield answer.infer_response
        except aio.AioRpcError as error:
            self._raise(error, self._load_timeout)
        finally:
            call.cancel()

    async def load(self, name: str) -> None:
        """Load a model and return when it is ready; raises TritonRefusedError with Triton's own message."""
        request = service_pb2.RepositoryModelLoadRequest(model_name=name)
        try:
            await self._stub.RepositoryModelLoad(request, metadata=self._metadata, timeout=self._load_timeout)
        except aio.AioRpcError as error:
            self._raise(error, self._load_timeout)

    async def unload(self, name: str) -> None:
        """Ask Triton to let a model go; requests in flight end first, so the index says when it has."""
        request = service_pb2.RepositoryModelUnloadRequest(model_name=name)
        try:
            await self._stub.RepositoryModelUnload(request, metadata=self._metadata, timeout=_UNLOAD_SECONDS)
        except aio.AioRpcError as error:
            self._raise(error, _UNLOAD_SECONDS)

    async def lost(self) -> None:
        """Return when the connection, once there, has broken: Triton ended or was restarted."""
        while (state := self._channel.get_state()) != grpc.ChannelConnectivity.READY:
            await self._channel.wait_for_state_change(state)
        await self._channel.wait_for_state_change(grpc.ChannelConnectivity.READY)

    def _raise(self, error: aio.AioRpcError, seconds: float) -> NoReturn:
        details = str(error.details())
        if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
            raise TritonRefusedError(f"Triton did not finish within {seconds:.0f} s") from error
        if error.code() != grpc.StatusCode.UNAVAILABLE:
            raise TritonRefusedError(refusals.completed(details)) from error
        if "protocol is restricted" in details:
            raise TritonUnavailableError("Triton refuses the agent's key") from error
        raise TritonLostError(f"Triton went away: {details}") from error


def _by_name(entries: Iterable[Any]) -> dict[str, TritonModel]:
    found: dict[str, TritonModel] = {}
    for entry in entries:
        model = TritonModel(entry.state, entry.reason)
        if entry.name not in found or _rank(model) < _rank(found[entry.name]):
            found[entry.name] = model
    return found


def _rank(model: TritonModel) -> int:
    return _RANK.index(model.state) if model.state in _RANK else len(_RANK)
