from datetime import UTC, datetime

from moorage_operator.reconcile.conditions import Verdict, build, summary

BEFORE = [
    {
        "type": "Ready",
        "status": "False",
        "reason": "Loading",
        "message": "old",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "observedGeneration": 1,
    }
]
NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def test_time_is_kept_while_the_status_is_the_same_and_words_change() -> None:
    (ready,) = build([Verdict("Ready", "False", "LoadFailed", "new")], BEFORE, 2, NOW)
    assert ready == {
        "type": "Ready",
        "status": "False",
        "reason": "LoadFailed",
        "message": "new",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "observedGeneration": 2,
    }


def test_time_moves_with_the_status() -> None:
    (ready,) = build([Verdict("Ready", "True", "Loaded")], BEFORE, 2, NOW)
    assert ready["lastTransitionTime"] == "2026-03-01T12:00:00Z"


def test_a_new_condition_begins_now_and_may_lack_a_generation() -> None:
    (stalled,) = build([Verdict("Stalled", "False", "Loaded")], BEFORE, None, NOW)
    assert stalled["lastTransitionTime"] == "2026-03-01T12:00:00Z"
    assert "observedGeneration" not in stalled


def test_of_ready_reconciling_and_stalled_exactly_one_is_true() -> None:
    for ready, stalled in (("True", False), ("False", False), ("False", True)):
        verdicts = summary(Verdict("Ready", ready, "Loading"), stalled=stalled)  # type: ignore[arg-type]  # literals
        assert [verdict.status for verdict in verdicts].count("True") == 1
