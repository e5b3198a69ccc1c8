"""Train the digits classifier and write what the example serves and what the quickstart checks it with.

    python examples/digits/train.py

writes ``model.onnx.b64`` (the classifier) and ``heldout.json`` (images that it never saw). Both are kept in Git:
floating-point sums differ between processors, so another machine may train a model with other bytes that answers the
same. ``examples/build.py`` puts the kept file into ``digits.yaml``.
"""

from __future__ import annotations

import base64
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # has no stubs

HERE = Path(__file__).parent
SEED = 0
HELD_OUT = 360
"""Images kept away from training: a fifth of the 1,797."""

PIXELS = 64
CLASSES = 10
OPSET = 17
IR_VERSION = 8
"""The ONNX format that belongs to the opset; newer ones are refused by older runtimes."""


@dataclass(frozen=True)
class Digits:
    """Images (n x 64, float32, 0 to 16) and their labels (n), for training and held out."""

    images: np.ndarray[Any, np.dtype[np.float32]]
    labels: np.ndarray[Any, np.dtype[np.int64]]
    held_out_images: np.ndarray[Any, np.dtype[np.float32]]
    held_out_labels: np.ndarray[Any, np.dtype[np.int64]]


def split() -> Digits:
    images, labels = load_digits(return_X_y=True)
    train, held_out, train_labels, held_out_labels = train_test_split(
        images.astype(np.float32), labels, test_size=HELD_OUT, random_state=SEED, stratify=labels
    )
    return Digits(train, train_labels, held_out, held_out_labels)


def train(digits: Digits) -> Pipeline:
    network = MLPClassifier(hidden_layer_sizes=(64,), alpha=0.01, max_iter=120, random_state=SEED)
    model = make_pipeline(StandardScaler(), network)
    # One thread: for matrices this small more threads are slower, and their sums come in any order.
    with warnings.catch_warnings(), threadpool_limits(1):
        # A fixed number of rounds is wanted, not convergence.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(digits.images, digits.labels)


def export(model: Pipeline) -> onnx.ModelProto:
    """Return the classifier as ONNX: IMAGE float32 [n,64] -> LABEL int64 [n,1], PROBABILITIES float32 [n,10]."""
    exported: onnx.ModelProto = convert_sklearn(
        model,
        name="digits",
        initial_types=[("IMAGE", FloatTensorType([None, PIXELS]))],
        final_types=[("label", Int64TensorType([None])), ("PROBABILITIES", FloatTensorType([None, CLASSES]))],
        options={"zipmap": False},
        target_opset={"": OPSET, "ai.onnx.ml": 3},
    )
    exported.ir_version = IR_VERSION
    _make_labels_a_column(exported.graph)
    onnx.checker.check_model(exported)
    return exported


def _make_labels_a_column(graph: onnx.GraphProto) -> None:
    """Add LABEL [n,1] in place of label [n]: Triton wants the batch dimension and at least one more."""
    graph.initializer.append(onnx.numpy_helper.from_array(np.array([-1, 1], dtype=np.int64), "column"))
    graph.node.append(onnx.helper.make_node("Reshape", ["label", "column"], ["LABEL"], name="labels_as_column"))
    graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("LABEL", onnx.TensorProto.INT64, [None, 1]))


def encode(model: onnx.ModelProto) -> str:
    """Return the model as base64 in lines of 76 characters: inline sources are text."""
    return base64.encodebytes(model.SerializeToString(deterministic=True)).decode()


def held_out_text(digits: Digits) -> str:
    """Return the held-out images as JSON, one image a line so that a change is readable."""
    images = ",\n".join(json.dumps([int(pixel) for pixel in image]) for image in digits.held_out_images)
    labels = json.dumps([int(label) for label in digits.held_out_labels])
    return f'{{"labels": {labels},\n"images": [\n{images}\n]}}\n'


def main() -> None:
    digits = split()
    model = train(digits)
    (HERE / "model.onnx.b64").write_text(encode(export(model)), encoding="utf-8")
    (HERE / "heldout.json").write_text(held_out_text(digits), encoding="utf-8")
    print(f"accuracy on {HELD_OUT} held-out images: {model.score(digits.held_out_images, digits.held_out_labels):.3f}")


if __name__ == "__main__":
    main()
