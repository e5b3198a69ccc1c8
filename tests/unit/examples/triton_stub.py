"""The part of Triton's Python backend that the examples use, so that their code runs without a server.

The real module exists only inside Triton's own process. Names and meanings are Triton's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Tensor:
    tensor_name: str
    array: np.ndarray[Any, Any]

    def as_numpy(self) -> np.ndarray[Any, Any]:
        return self.array


@dataclass(frozen=True)
class InferenceResponse:
    output_tensors: list[Tensor]


def get_input_tensor_by_name(request: list[Tensor], name: str) -> Tensor:
    return next(tensor for tensor in request if tensor.tensor_name == name)


@dataclass(frozen=True)
class Model:
    """A model as Triton sees it: arrays by input name in, arrays by output name out."""

    instance: Any

    def infer(self, **inputs: np.ndarray[Any, Any]) -> Arrays:
        request = [Tensor(name, array) for name, array in inputs.items()]
        (response,) = self.instance.execute([request])
        return {tensor.tensor_name: tensor.array for tensor in response.output_tensors}
