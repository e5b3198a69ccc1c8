"""Every metric's distance on one scale: [0, 1], higher is better, the order kept."""

from __future__ import annotations

from typing import assert_never

from moorage_api.vectors.model import Metric


def of_distance(metric: Metric, distance: float) -> float:
    """Return the score of a distance.

    Args:
        metric: The collection's metric.
        distance: cosine: 1 - cos, in [0, 2]; dot: the negated product, any number; l2: squared, from 0.
    """
    match metric:
        case "cosine":
            return min(1.0, max(0.0, 1.0 - distance / 2.0))
        case "l2":
            return 1.0 / (1.0 + max(0.0, distance))
        case "dot":
            # Not the logistic curve: that one is 1.0 for every product above 37, and the order would be lost.
            return 0.5 - 0.5 * distance / (1.0 + abs(distance))
        case _:
            assert_never(metric)


def of_relevance(relevance: float) -> float:
    """Return the score of BM25's relevance, a number from 0 without an upper bound."""
    return relevance / (1.0 + relevance) if relevance > 0 else 0.0
