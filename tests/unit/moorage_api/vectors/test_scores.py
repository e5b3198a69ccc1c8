"""One scale for every metric."""

from __future__ import annotations

import itertools

import pytest

from moorage_api.vectors import scores
from moorage_api.vectors.model import Metric

DISTANCES: dict[Metric, list[float]] = {
    "cosine": [-1e-7, 0.0, 0.3, 1.0, 1.9999999, 2.0000001],
    "l2": [0.0, 1e-6, 1.0, 1e6],
    "dot": [-1e6, -1000.0, -50.0, -40.0, 0.0, 3.0, 1e6],
}


@pytest.mark.parametrize("metric", DISTANCES)
def test_scores_stay_in_their_range_and_keep_the_order(metric: Metric) -> None:
    found = [scores.of_distance(metric, distance) for distance in DISTANCES[metric]]
    assert all(0.0 <= score <= 1.0 for score in found)
    assert found == sorted(found, reverse=True)


def test_large_products_stay_apart() -> None:
    found = [scores.of_distance("dot", distance) for distance in DISTANCES["dot"]]
    assert all(left > right for left, right in itertools.pairwise(found))


def test_the_same_vector_scores_one() -> None:
    assert scores.of_distance("cosine", 0.0) == scores.of_distance("l2", 0.0) == 1.0


def test_relevance_is_bounded() -> None:
    assert [scores.of_relevance(each) for each in (0.0, 1.0)] == [0.0, 0.5]
    assert scores.of_relevance(1e9) < 1.0
