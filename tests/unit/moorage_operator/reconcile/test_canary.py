"""What a canary's figures say: missing data never promote, failures reject at once, counters may begin anew."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from moorage_crds import labels
from moorage_crds.rollout import AutoPromote
from moorage_operator.reconcile import Canary, Reading, Tally, add, canaries, reconcile_tenant
from moorage_operator.reconcile.canary import Judgement, judge
from tests.unit.moorage_operator.reconcile.builders import (
    NOW,
    SETTINGS,
    condition,
    intents,
    later,
    load,
    pass_once,
    serving,
    source,
    status,
)
from tests.unit.moorage_operator.reconcile.fake_cluster import FakeCluster
from tests.unit.moorage_operator.reconcile.test_rollouts import recorded, traffic

DEMANDS = AutoPromote()
LONG_AGO, AFTER = NOW.timestamp() - 3600, NOW.timestamp() + 1


def reading(requests: float, errors: float = 0, address: str = "a", started: float = AFTER) -> Reading:
    return Reading(address, started, requests, errors)


def tally(*rounds: list[Reading], now: datetime = NOW) -> Tally:
    found = Tally(NOW)
    for one in rounds:
        found = add(found, one, now, is_complete=True)
    return found


SUMS = {
    "nothing yet": ([], (0, 0)),
    "a process that is younger than the trial counts whole": ([[reading(5, 1)]], (5, 1)),
    "an older process counts from its first reading": (
        [[reading(50, 9, started=LONG_AGO)], [reading(57, 10, started=LONG_AGO)]],
        (7, 1),
    ),
    "an older process that first served the revision now": (
        [[reading(0, started=LONG_AGO)], [reading(7, 2, started=LONG_AGO)]],
        (7, 2),
    ),
    "the same reading twice": ([[reading(5, 1)], [reading(5, 1)]], (5, 1)),
    "two processes": ([[reading(5), reading(6, 1, "b")], [reading(7), reading(6, 1, "b")]], (13, 1)),
    "a restarted process adds to what it had": ([[reading(5, 1)], [reading(3, 0, started=AFTER + 9)]], (8, 1)),
    "a counter that was forgotten begins anew": ([[reading(5, 1)], [reading(2)], [reading(3)]], (8, 1)),
    "a process that is gone keeps what it had": ([[reading(5), reading(6, 1, "b")], [reading(5)]], (11, 1)),
}


@pytest.mark.parametrize("case", SUMS)
def test_a_tally_sums_what_was_counted_since_the_trial_began(case: str) -> None:
    rounds, expected = SUMS[case]
    found = tally(*rounds)
    assert (found.requests, found.errors) == expected


ENOUGH, DUE = [[reading(100)]], timedelta(minutes=5)
VERDICTS: dict[str, tuple[Tally | None, timedelta, str, str]] = {
    "nobody has been asked": (None, DUE, "Wait", "have not been asked"),
    "an older trial's figures": (Tally(later(-60), 500, 0, later(300)), DUE, "Wait", "have not been asked"),
    "no gateway was ever complete": (Tally(NOW, 500, 0), DUE, "Wait", "Not every gateway"),
    "the last complete round is too old": (Tally(NOW, 500, 0, later(284)), DUE, "Wait", "Not every gateway"),
    "the last complete round is young enough": (Tally(NOW, 500, 0, later(285)), DUE, "Promote", ""),
    "too few requests": (Tally(NOW, 99, 0, later(300)), DUE, "Wait", "Fewer than 100"),
    "too early": (Tally(NOW, 500, 0, later(299)), timedelta(seconds=299), "Wait", "lasts 5m"),
    "enough of everything": (Tally(NOW, 100, 0, later(300)), DUE, "Promote", ""),
    "as many failures as may be": (Tally(NOW, 100, 1, later(300)), DUE, "Promote", ""),
    "one failure too many": (Tally(NOW, 100, 2, later(300)), DUE, "Reject", "2 of 100 requests failed"),
    "failures before the time is over": (Tally(NOW, 100, 50, later(1)), timedelta(seconds=1), "Reject", "50 of 100"),
    "failures though data are missing": (Tally(NOW, 100, 50), DUE, "Reject", "at most 1.00% may"),
    "failures of too few requests": (Tally(NOW, 99, 99, later(300)), DUE, "Wait", "Fewer than 100"),
}


@pytest.mark.parametrize("case", VERDICTS)
def test_the_verdict_is(case: str) -> None:
    figures, after, action, words = VERDICTS[case]
    found = judge(DEMANDS, NOW, figures, NOW + after)
    assert found.action == action
    assert words in found.message


def test_no_failure_at_all_may_be_demanded() -> None:
    strict = AutoPromote(max_error_rate=0, min_requests=1, after="1s")
    assert judge(strict, NOW, Tally(NOW, 1, 0, later(1)), later(1)) == Judgement("Promote", "")
    assert judge(strict, NOW, Tally(NOW, 1000, 1, later(1)), later(1)).action == "Reject"


AUTO = {"canary": {"weight": 10}, "autoPromote": {"after": "1m", "minRequests": 10}}


def on_trial(**rollout: Any) -> tuple[FakeCluster, str, str]:
    """Return a cluster with a canary that figures decide about, and both hashes."""
    cluster, first = serving()
    cluster.change_spec("ModelDeployment", "digits", {"source": source("two"), "rollout": {**AUTO, **rollout}})
    pass_once(cluster)
    second: str = status(cluster)["candidateRevision"]
    load(cluster, "triton-a", second)
    settle(cluster, None, NOW)
    return cluster, first, second


def settle(cluster: FakeCluster, figures: tuple[float, float] | None, now: datetime) -> None:
    """Reconcile with these requests and errors counted until nothing is left to do."""
    for _ in range(10):
        world = cluster.world()
        found = {(one.model, one.revision): Tally(one.since, *figures, now) for one in canaries(world) if figures}
        actions = reconcile_tenant(cluster.world(canaries=found), SETTINGS, now)
        if not actions:
            return
        cluster.execute(actions)
    raise AssertionError("expected an end within 10 passes")


def test_a_trial_that_is_not_decided_is_not_ready_and_goes_on() -> None:
    cluster, first, second = on_trial()
    found = status(cluster)
    assert traffic(cluster) == {first: 90, second: 10}
    assert (condition(found)["status"], condition(found)["reason"]) == ("False", "CanaryWaiting")
    assert condition(found, "Reconciling")["status"] == "True"
    assert found["modelStatus"]["transitionStatus"] == "InProgress"


def test_figures_are_wanted_while_they_decide_and_no_longer() -> None:
    cluster, _, second = on_trial()
    assert canaries(cluster.world()) == (Canary("digits", second, NOW),)
    settle(cluster, (100, 0), later(60))
    assert canaries(cluster.world()) == ()


def test_figures_of_a_canary_that_people_decide_about_are_not_wanted() -> None:
    cluster, _, _ = on_trial(autoPromote=None)
    assert canaries(cluster.world()) == ()


def test_figures_of_a_paused_model_are_not_wanted() -> None:
    cluster, _, _ = on_trial()
    cluster.edit("ModelDeployment", "digits", ("metadata", "annotations"), {labels.PAUSED: "true"})
    assert canaries(cluster.world()) == ()


def test_a_canary_that_proved_itself_is_promoted() -> None:
    cluster, first, second = on_trial()
    settle(cluster, (100, 0), later(59))
    assert traffic(cluster) == {first: 90, second: 10}
    settle(cluster, (100, 0), later(60))
    assert traffic(cluster) == {second: 100}
    assert intents(cluster) == {first: labels.DRAINING, second: labels.WANTED}
    assert condition(status(cluster))["reason"] == "Loaded"


def test_a_canary_without_figures_is_never_promoted() -> None:
    cluster, first, second = on_trial()
    settle(cluster, None, later(86400))
    assert traffic(cluster) == {first: 90, second: 10}
    assert condition(status(cluster))["reason"] == "CanaryWaiting"


def test_a_proven_canary_that_one_ready_pod_lacks_is_not_promoted() -> None:
    cluster, first, second = on_trial()
    cluster.set_pods("triton-a", "triton-b")
    load(cluster, "triton-b", first)
    settle(cluster, (100, 0), later(60))
    assert traffic(cluster) == {first: 90, second: 10}


def test_a_canary_whose_requests_fail_is_rejected_at_once_and_for_good() -> None:
    cluster, first, second = on_trial()
    settle(cluster, (20, 10), later(5))
    assert traffic(cluster) == {first: 100}
    assert intents(cluster) == {first: labels.WANTED, second: labels.DRAINING}
    found = status(cluster)
    assert (condition(found)["reason"], condition(found, "Stalled")["status"]) == ("CanaryFailed", "True")
    assert "10 of 20 requests failed" in condition(found)["message"]
    assert found["modelStatus"]["lastFailureInfo"]["reason"] == "CanaryFailed"
    settle(cluster, (20, 10), later(600))
    assert intents(cluster) == {first: labels.WANTED, second: None}
    assert labels.REJECTED in recorded(cluster, second)


def test_a_canary_whose_requests_fail_is_rejected_though_a_pod_lost_it() -> None:
    cluster, first, second = on_trial()
    load(cluster, "triton-a", second, "LoadFailed", "gone")
    settle(cluster, (20, 10), later(5))
    assert traffic(cluster) == {first: 100}
    assert condition(status(cluster))["reason"] == "CanaryFailed"


def test_a_person_outweighs_the_figures() -> None:
    cluster, _, second = on_trial()
    spec = cluster.get("ModelDeployment", "digits")["spec"]["rollout"]
    decided = {**spec, "decision": {"revision": second, "action": "Promote"}}
    cluster.change_spec("ModelDeployment", "digits", {"rollout": decided})
    settle(cluster, (20, 10), later(5))
    assert traffic(cluster) == {second: 100}


def test_a_retry_starts_a_trial_of_its_own() -> None:
    cluster, first, second = on_trial()
    settle(cluster, (20, 10), later(5))
    settle(cluster, None, later(60))
    cluster.edit("ModelDeployment", "digits", ("metadata", "annotations"), {labels.RETRY: "now"})
    settle(cluster, None, later(61))
    assert traffic(cluster) == {first: 90, second: 10}
    assert canaries(cluster.world()) == (Canary("digits", second, later(61)),)
