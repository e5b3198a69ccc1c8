"""Embedder: turns a text into 384 numbers by hashing its words and pieces of words, without any training.

Texts that share words or word stems point the same way. Deterministic: the same text gives the same vector on every
machine, for ever. It is no language model: it knows no synonyms.
"""

import math
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import triton_python_backend_utils as triton

DIMENSIONS = 384
WORD_WEIGHT = 1.0
PIECE_WEIGHT = 0.2
PIECE_LENGTHS = (3, 4, 5)
STOP_WORDS = frozenset(
    """
    a about after all also an and any are as at be been but by can do does each every for from had has have how
    i if in into is it its may must no not of on one only or other our shall should so such than that the their
    them then there these they this to under until up use used was we what when where which while who why will
    with you your
    """.split()  # noqa: SIM905 - a list of words reads better without quotes
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """Return the words that carry meaning; ``pythonBackend`` counts as two."""
    text = _CAMEL.sub(" ", unicodedata.normalize("NFKC", text)).lower()
    return [word for word in _WORD.findall(text) if word not in STOP_WORDS]


def pieces(word: str) -> list[str]:
    """Return the parts that related words share: ``rotated`` and ``rotation`` share ``<rota``."""
    marked = f"<{word}>"
    return [marked[start : start + n] for n in PIECE_LENGTHS for start in range(len(marked) - n + 1)]


def features(text: str) -> Mapping[str, float]:
    """Return the weight of each word and piece; a repetition counts less each time."""
    counts = Counter(words(text))
    weights = Counter({f"={word}": WORD_WEIGHT * (1 + math.log(n)) for word, n in counts.items()})
    for word, n in counts.items():
        for piece in pieces(word):
            weights[piece] += PIECE_WEIGHT * (1 + math.log(n))
    # A text without a word still needs a direction: the cosine of a zero vector is undefined.
    return weights or {"": 1.0}


def embed(text: str) -> np.ndarray:
    """Return the text's vector: float32, length 1."""
    vector = np.zeros(DIMENSIONS)
    for feature, weight in features(text).items():
        number = zlib.crc32(feature.encode())
        # The sign makes features that meet in one place cancel out instead of adding up.
        vector[number % DIMENSIONS] += weight if number >> 31 else -weight
    return (vector / np.linalg.norm(vector)).astype(np.float32)


class TritonPythonModel:
    def execute(self, requests: list[Any]) -> list[Any]:
        return [self.respond(request) for request in requests]

    def respond(self, request: Any) -> Any:
        texts = triton.get_input_tensor_by_name(request, "TEXT").as_numpy().reshape(-1)
        vectors = np.stack([embed(text.decode(errors="replace")) for text in texts])
        return triton.InferenceResponse([triton.Tensor("EMBEDDING", vectors)])
