"""Collections and objects as the code speaks of them, free of HTTP and of any backend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Metric = Literal["cosine", "dot", "l2"]
"""How two vectors compare: angle, scalar product, or Euclidean distance (squared in answers)."""


@dataclass(frozen=True)
class Embedding:
    """The tenant's own model that turns text into vectors, and the tensors it speaks by."""

    model: str
    """Name of the ModelDeployment."""
    revision: str
    """Revision that embedded the collection; another one's vectors would mean something else."""
    input: str
    """Input tensor: TYPE_STRING, one element per text."""
    output: str
    """Output tensor: FP32, shape [texts, dimensions]."""


@dataclass(frozen=True)
class Collection:
    """A named set of objects; all of this is fixed when it is made."""

    name: str
    dimensions: int
    metric: Metric
    embedding: Embedding | None = None


@dataclass(frozen=True)
class StoredObject:
    """An object of a collection."""

    id: str
    vector: Sequence[float]
    text: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NearVector:
    """Search by closeness to a vector."""

    vector: Sequence[float]


@dataclass(frozen=True)
class Keyword:
    """Search by words of the text (BM25)."""

    text: str


Query = NearVector | Keyword


@dataclass(frozen=True)
class Hit:
    """An object that a search found."""

    found: StoredObject
    score: float
    """In [0, 1], higher is better, whatever the metric."""
    distance: float | None
    """The metric's own distance, lower is better; None for a keyword search."""
