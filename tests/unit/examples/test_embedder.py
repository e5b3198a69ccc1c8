"""The embedder: the same text always gives the same vector, and related texts lie near each other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from examples import quickstart
from tests.unit.examples.triton_stub import Model

TEXT = "A Tenant owns one namespace. pythonBackend lets models bring code: naïve, größer, 42."

QUESTIONS = {
    "how is one tenant kept apart from another": {"Isolation"},
    "what happens when a model fails to load": {"A model does not load", "Revision"},
    "back up the database": {"Backup"},
    "rotate credentials and keys": {"Rotation of credentials"},
    "uninstall and keep the custom resource definitions": {"Uninstall"},
    "run only the unit tests": {"Tests"},
    "what does pythonBackend Enabled allow": {"Trust model", "spec.inference"},
    "search with a metadata filter": {"Search", "Filters"},
}
"""Question -> headings, one of which must be among the first three hits."""


@pytest.fixture
def model(load_model: Callable[[str], Model]) -> Model:
    return load_model("embedder")


@pytest.fixture
def embed(model: Model) -> Callable[..., np.ndarray[Any, Any]]:
    return lambda *texts: model.infer(TEXT=np.array([[text.encode()] for text in texts], dtype=np.object_))["EMBEDDING"]


Embed = Callable[..., np.ndarray[Any, Any]]


def test_a_vector_is_float32_of_length_one(embed: Embed) -> None:
    vectors = embed(TEXT, "another")
    assert (vectors.dtype, vectors.shape) == (np.float32, (2, quickstart.DIMENSIONS))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_a_text_has_the_same_vector_on_every_machine(embed: Embed) -> None:
    # Vectors already stored would no longer match new queries if this digest changed.
    steps = np.round(embed(TEXT)[0] * 1000).astype("<i4")
    assert hashlib.sha256(steps.tobytes()).hexdigest()[:16] == "ca076f9585078337"


def test_a_vector_does_not_depend_on_the_batch(embed: Embed) -> None:
    assert (embed("first", TEXT)[1] == embed(TEXT)[0]).all()


@pytest.mark.parametrize("text", ["", "   ", "the of and", "!?"])
def test_a_text_without_a_word_still_has_a_direction(embed: Embed, text: str) -> None:
    assert np.linalg.norm(embed(text)[0]) == pytest.approx(1)


def test_bytes_that_are_no_utf_8_are_no_error(model: Model) -> None:
    vector = model.infer(TEXT=np.array([[b"\xff\xfe broken"]], dtype=np.object_))["EMBEDDING"]
    assert np.isfinite(vector).all()


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        ("rotated credentials", "the rotation of a credential", "held-out images of digits"),
        ("python backend", "spec.inference.pythonBackend", "volume claims and storage classes"),
        ("UNINSTALL", "how to uninstall", "how to install a chart of models"),
    ],
)
def test_related_texts_lie_nearer_than_others(embed: Embed, text: str, near: str, far: str) -> None:
    vectors = embed(text, near, far)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.1


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_finds_its_section_of_the_documentation(embed: Embed, question: str) -> None:
    sections = [section for section in quickstart.handbook() if section.path.startswith("docs/")]
    vectors = embed(*(section.as_object()["text"] for section in sections))
    order = np.argsort(-(vectors @ embed(question)[0]))
    found = [sections[index].heading for index in order[:3]]
    assert QUESTIONS[question] & set(found), found
