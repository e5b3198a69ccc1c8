"""The digits classifier: what is kept in Git recognises digits, and the script that made it makes it again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from examples import build, quickstart
from examples.digits import train
from tests.unit.examples.triton_stub import Model

FOLDER = Path(train.__file__).parent


@pytest.fixture(scope="module")
def digits() -> train.Digits:
    return train.split()


@pytest.fixture
def model(load_model: Callable[[str], Model]) -> Model:
    return load_model("digits")


def test_the_kept_model_recognises_the_held_out_images(model: Model, digits: train.Digits) -> None:
    seen = model.infer(IMAGE=digits.held_out_images)["LABEL"][:, 0]
    assert float(np.mean(seen == digits.held_out_labels)) >= quickstart.MINIMUM_ACCURACY + 0.01


def test_answers_have_the_names_types_and_shapes_that_the_resource_declares(model: Model) -> None:
    answer = model.infer(IMAGE=np.zeros((3, 64), dtype=np.float32))
    kinds = {"TYPE_INT64": np.dtype(np.int64), "TYPE_FP32": np.dtype(np.float32)}
    declared: list[dict[str, Any]] = build.DIGITS_CONFIG["outputs"]  # type: ignore[assignment]  # a literal of mixed values
    assert {(name, array.dtype, array.shape) for name, array in answer.items()} == {
        (output["name"], kinds[output["dataType"]], (3, *output["dims"])) for output in declared
    }


def test_probabilities_add_up_and_agree_with_the_label(model: Model, digits: train.Digits) -> None:
    answer = model.infer(IMAGE=digits.held_out_images)
    assert np.allclose(answer["PROBABILITIES"].sum(axis=1), 1, atol=1e-5)
    assert (answer["PROBABILITIES"].argmax(axis=1) == answer["LABEL"][:, 0]).all()


def test_training_anew_makes_a_model_that_answers_the_same(model: Model, digits: train.Digits) -> None:
    # Not the same bytes: sums of floating-point numbers differ between processors in their last digits.
    anew = onnxruntime.InferenceSession(train.export(train.train(digits)).SerializeToString())
    labels, probabilities = anew.run(["LABEL", "PROBABILITIES"], {"IMAGE": digits.held_out_images})
    kept = model.infer(IMAGE=digits.held_out_images)
    assert np.mean(labels == kept["LABEL"]) >= 0.99
    assert np.mean(np.abs(probabilities - kept["PROBABILITIES"])) < 0.01


def test_the_held_out_file_holds_what_the_split_holds_out(digits: train.Digits) -> None:
    assert (FOLDER / "heldout.json").read_text(encoding="utf-8") == train.held_out_text(digits)
    held_out = json.loads((FOLDER / "heldout.json").read_text(encoding="utf-8"))
    assert np.array(held_out["images"]).shape == (train.HELD_OUT, train.PIXELS)
    assert set(held_out["labels"]) == set(range(train.CLASSES))


def test_no_held_out_image_was_seen_in_training(digits: train.Digits) -> None:
    seen = {image.tobytes() for image in digits.images}
    assert not any(image.tobytes() in seen for image in digits.held_out_images)
