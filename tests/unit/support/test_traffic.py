"""The judge of end-to-end traffic sees wrong answers and failures: its zero means something."""

from __future__ import annotations

import pytest

from tests.e2e.table import lines
from tests.e2e.traffic import Outcome, Sample

EXPECTED = {"moving": {"aaaaaaaa": 2.0, "bbbbbbbb": 3.0}, "steady": {"cccccccc": 7.0}}


def sample(model: str = "moving", status: int = 200, revision: str = "aaaaaaaa", factor: float | None = 2.0) -> Sample:
    return Sample(model, began=10.0, seconds=0.5, status=status, revision=revision, factor=factor)


@pytest.mark.parametrize(
    ("one", "wrong", "failed"),
    {
        "right": (sample(), 0, 0),
        "the other revision's answer": (sample(factor=3.0), 1, 0),
        "a revision nobody deployed": (sample(revision="dddddddd"), 1, 0),
        "no revision named": (sample(revision=""), 1, 0),
        "an answer that is no multiple": (sample(factor=None), 1, 0),
        "another model's revision": (sample(model="steady", factor=2.0), 1, 0),
        "refused": (sample(status=503, factor=None), 0, 1),
        "no answer": (sample(status=0, revision="", factor=None), 0, 1),
    }.values(),
)
def test_an_answer_is_judged_by_the_revision_it_names(one: Sample, wrong: int, failed: int) -> None:
    outcome = Outcome((one,), EXPECTED, began=8.0)
    assert (len(outcome.wrong), len(outcome.failed)) == (wrong, failed)


def test_recovery_counts_to_the_end_of_the_last_failure() -> None:
    outcome = Outcome((sample(), sample(status=503), sample()), EXPECTED, began=8.0)
    assert outcome.recovery == 2.5
    assert Outcome((sample(),), EXPECTED, began=8.0).recovery == 0


def test_the_table_tells_the_changed_model_from_its_neighbours() -> None:
    outcome = Outcome((sample(), sample(), sample("steady", 503, "", None)), EXPECTED, began=8.0)
    _, line = lines([("update", outcome)])
    assert line.split() == ["update", "3", "1", "0", "500.0", "500.0", "nan", "nan", "2.5"]
