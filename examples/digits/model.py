"""Digits: serves the ONNX classifier beside this file with onnxruntime, inside Triton's Python backend."""

import base64
from pathlib import Path
from typing import Any

import onnxruntime
import triton_python_backend_utils as triton

OUTPUTS = ("LABEL", "PROBABILITIES")


class TritonPythonModel:
    def initialize(self, _args: dict[str, str]) -> None:
        options = onnxruntime.SessionOptions()
        # One thread: requests run side by side in Triton, and a container may not own the machine's cores.
        options.intra_op_num_threads = 1
        model = base64.b64decode(Path(__file__).with_name("model.onnx.b64").read_bytes())
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self.respond(request) for request in requests]

    def respond(self, request: Any) -> Any:
        images = triton.get_input_tensor_by_name(request, "IMAGE").as_numpy()
        values = self.session.run(OUTPUTS, {"IMAGE": images})
        return triton.InferenceResponse([triton.Tensor(*pair) for pair in zip(OUTPUTS, values, strict=True)])
