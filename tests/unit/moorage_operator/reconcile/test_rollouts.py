"""How traffic moves from one revision to the next: canary, replacement, and what is safe in between."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from moorage_crds import labels
from moorage_operator.reconcile import ApplyStatus, reconcile_tenant, requeue_after
from tests.unit.moorage_operator.reconcile.builders import (
    NOW,
    SETTINGS,
    condition,
    intents,
    keys,
    later,
    load,
    pass_once,
    promote,
    serving,
    source,
    status,
)
from tests.unit.moorage_operator.reconcile.fake_cluster import FakeCluster

CANARY = {"canary": {"weight": 10}}
RECREATE = {"strategy": "Recreate"}


def change(cluster: FakeCluster, content: str, rollout: dict[str, Any], now: datetime = NOW) -> str:
    """Ask for another revision and return its hash."""
    cluster.change_spec("ModelDeployment", "digits", {"source": source(content), "rollout": rollout})
    pass_once(cluster, now)
    found: str = status(cluster)["candidateRevision"]
    return found


def canary(*pods: str, weight: int = 10) -> tuple[FakeCluster, str, str]:
    """Return a cluster whose model has a canary in the traffic, and the hashes of both revisions."""
    cluster, first = serving("one", *pods)
    second = change(cluster, "two", {"canary": {"weight": weight}})
    for pod in pods or ("triton-a",):
        load(cluster, pod, second)
    settle(cluster)
    return cluster, first, second


def settle(cluster: FakeCluster, now: datetime = NOW) -> None:
    """Reconcile until nothing is left to do."""
    for _ in range(10):
        if not pass_once(cluster, now):
            return
    raise AssertionError("expected an end within 10 passes")


def traffic(cluster: FakeCluster) -> dict[str, int]:
    return {share["revision"]: share["weight"] for share in status(cluster).get("traffic", [])}


def recorded(cluster: FakeCluster, revision: str) -> dict[str, str]:
    found: dict[str, str] = cluster.get("ControllerRevision", f"digits-{revision}")["metadata"].get("annotations", {})
    return found


def test_a_canary_gets_its_share_once_every_ready_pod_holds_it() -> None:
    cluster, first = serving("one", "triton-a", "triton-b")
    second = change(cluster, "two", CANARY)
    load(cluster, "triton-a", second)
    settle(cluster)
    assert traffic(cluster) == {first: 100}
    load(cluster, "triton-b", second)
    settle(cluster)
    assert traffic(cluster) == {first: 90, second: 10}
    assert list(traffic(cluster)) == [first, second]
    assert status(cluster)["stableRevision"] == first
    assert status(cluster)["candidateRevision"] == second
    assert condition(status(cluster)) == condition(status(cluster)) | {"status": "True", "reason": "CanaryServing"}


def test_a_canary_stays_a_canary_however_long_it_takes() -> None:
    cluster, first, second = canary()
    assert pass_once(cluster, later(86400)) == ()
    assert (requeue_after(cluster.world(), later(86400)) or 0) > 79 * 86400  # the age of the credentials
    assert intents(cluster) == {first: labels.WANTED, second: labels.WANTED}


def test_the_first_revision_of_a_model_is_no_canary() -> None:
    cluster, first = serving(rollout=CANARY)
    assert traffic(cluster) == {first: 100}


def test_another_weight_moves_the_traffic_and_nothing_else() -> None:
    cluster, first, second = canary()
    cluster.change_spec("ModelDeployment", "digits", {"rollout": {"canary": {"weight": 50}}})
    assert keys(pass_once(cluster)) == ["apply status of ModelDeployment tenant-acme/digits"]
    assert traffic(cluster) == {first: 50, second: 50}


def test_without_its_canary_a_loaded_candidate_is_promoted() -> None:
    cluster, first, second = canary()
    cluster.change_spec("ModelDeployment", "digits", {"rollout": {}})
    settle(cluster)
    assert traffic(cluster) == {second: 100}
    assert intents(cluster) == {first: labels.DRAINING, second: labels.WANTED}
    assert labels.CANARY_SINCE not in recorded(cluster, second)


def test_a_pod_that_comes_later_takes_no_traffic_from_the_canary() -> None:
    cluster, first, second = canary("triton-a")
    cluster.set_pods("triton-a", "triton-b")
    load(cluster, "triton-b", first)
    settle(cluster)
    assert traffic(cluster) == {first: 90, second: 10}
    assert condition(status(cluster))["reason"] == "Loading"


def test_a_newer_revision_replaces_a_canary_which_drains_after_it_has_left_the_traffic() -> None:
    cluster, first, second = canary()
    third = change(cluster, "three", CANARY, later(60))
    assert traffic(cluster) == {first: 100}
    assert intents(cluster) == {first: labels.WANTED, second: labels.WANTED, third: labels.WANTED}
    assert keys(pass_once(cluster, later(61))) == [f"apply ControllerRevision tenant-acme/digits-{second}"]
    assert intents(cluster)[second] == labels.DRAINING
    assert requeue_after(cluster.world(), later(65)) == 6
    settle(cluster, later(71))
    assert intents(cluster) == {first: labels.WANTED, second: None, third: labels.WANTED}
    assert recorded(cluster, second) == {}


def test_a_canary_that_is_given_up_leaves_the_stable_revision_alone() -> None:
    cluster, first, second = canary()
    cluster.change_spec("ModelDeployment", "digits", {"source": source("one")})
    settle(cluster)
    assert traffic(cluster) == {first: 100}
    assert intents(cluster) == {first: labels.WANTED, second: labels.DRAINING}
    assert "candidateRevision" not in status(cluster)


def test_a_cleared_status_comes_back_with_the_canarys_traffic() -> None:
    cluster, first, second = canary()
    before = {key: value for key, value in status(cluster).items() if key != "replicas"}
    replicas = status(cluster)["replicas"]
    cluster.edit("ModelDeployment", "digits", ("status",), {"replicas": replicas})
    settle(cluster, later(5))
    after = {key: value for key, value in status(cluster).items() if key != "replicas"}
    assert traffic(cluster) == {first: 90, second: 10}
    assert {**after, "conditions": None} == {**before, "conditions": None}


def test_without_the_agents_words_too_a_cleared_status_comes_back_with_the_same_traffic() -> None:
    cluster, first, second = canary()
    cluster.edit("ModelDeployment", "digits", ("status",), None)
    settle(cluster, later(5))
    assert traffic(cluster) == {first: 90, second: 10}


def test_a_revision_that_gateways_are_told_of_is_never_drained() -> None:
    cluster, first, second = canary()
    cluster.change_spec("ModelDeployment", "digits", {"rollout": {}})
    for _ in range(3):
        actions = reconcile_tenant(cluster.world(), SETTINGS, NOW)
        cluster.execute(action for action in actions if not isinstance(action, ApplyStatus))
    assert intents(cluster) == {first: labels.WANTED, second: labels.WANTED}
    settle(cluster)
    assert intents(cluster) == {first: labels.DRAINING, second: labels.WANTED}


def test_recreate_unloads_the_old_revision_before_the_new_one_is_told_to_load() -> None:
    cluster, first = serving("one", "triton-a", "triton-b")
    second = change(cluster, "two", RECREATE)
    assert traffic(cluster) == {}
    assert status(cluster)["stableRevision"] == first
    assert intents(cluster) == {first: labels.WANTED, second: None}
    settle(cluster)
    assert intents(cluster) == {first: labels.DRAINING, second: None}
    assert condition(status(cluster))["reason"] == "Replacing"
    settle(cluster, later(10))
    assert intents(cluster) == {first: None, second: None}
    for pod, still in (("triton-a", "Unloading"), ("triton-b", "Loaded")):
        cluster.report("digits", pod, (first, still, ""))
    settle(cluster, later(11))
    assert intents(cluster) == {first: None, second: None}
    cluster.report("digits", "triton-a")
    settle(cluster, later(12))
    assert intents(cluster)[second] is None
    cluster.report("digits", "triton-b")
    settle(cluster, later(13))
    assert intents(cluster) == {first: None, second: labels.WANTED}
    assert condition(status(cluster))["reason"] == "Loading"
    for pod in ("triton-a", "triton-b"):
        load(cluster, pod, second)
    settle(cluster, later(14))
    assert traffic(cluster) == {second: 100}
    assert condition(status(cluster))["reason"] == "Loaded"


def test_recreate_waits_for_the_drain_whatever_agents_have_not_said_yet() -> None:
    cluster, first = serving()
    second = change(cluster, "two", RECREATE)
    settle(cluster)
    cluster.report("digits", "triton-a")
    settle(cluster, later(1))
    assert intents(cluster) == {first: labels.DRAINING, second: None}


def test_a_late_word_about_the_old_revision_does_not_unload_its_replacement() -> None:
    cluster, first, second = replaced()
    cluster.report("digits", "triton-a", (first, "Unloading", ""), (second, "Loading", ""))
    settle(cluster, later(20))
    assert intents(cluster) == {first: None, second: labels.WANTED}


def test_recreate_loads_a_first_revision_at_once() -> None:
    cluster, first = serving(rollout=RECREATE)
    assert traffic(cluster) == {first: 100}
    assert pass_once(cluster, later(60)) == ()


def replaced() -> tuple[FakeCluster, str, str]:
    """Return a cluster whose old revision is gone and whose new one is told to load."""
    cluster, first = serving()
    second = change(cluster, "two", RECREATE)
    settle(cluster)
    settle(cluster, later(10))
    cluster.report("digits", "triton-a")
    settle(cluster, later(11))
    assert intents(cluster) == {first: None, second: labels.WANTED}
    return cluster, first, second


def test_going_back_during_a_replacement_unloads_the_new_revision_first() -> None:
    cluster, first, second = replaced()
    load(cluster, "triton-a", second, "Loading")
    cluster.change_spec("ModelDeployment", "digits", {"source": source("one")})
    settle(cluster, later(20))
    assert intents(cluster) == {first: None, second: None}
    assert condition(status(cluster))["reason"] == "Replacing"
    cluster.report("digits", "triton-a")
    settle(cluster, later(21))
    assert intents(cluster) == {first: labels.WANTED, second: None}
    load(cluster, "triton-a", first)
    settle(cluster, later(22))
    assert traffic(cluster) == {first: 100}
    assert condition(status(cluster))["reason"] == "Loaded"


def test_a_replacement_that_does_not_load_says_so_and_does_not_go_back_by_itself() -> None:
    cluster, _, second = replaced()
    load(cluster, "triton-a", second, "LoadFailed", "no such op")
    settle(cluster, later(20))
    assert traffic(cluster) == {}
    assert condition(status(cluster))["reason"] == "LoadFailed"


def test_a_cleared_status_takes_a_replacement_no_step_back() -> None:
    cluster, _, _ = replaced()
    before = intents(cluster)
    cluster.edit("ModelDeployment", "digits", ("status",), None)
    settle(cluster, later(12))
    assert intents(cluster) == before
    assert traffic(cluster) == {}


def test_a_replacement_keeps_what_it_needs_from_the_history_limit() -> None:
    cluster, first = serving(revisionHistoryLimit=0)
    second = change(cluster, "two", RECREATE)
    settle(cluster)
    settle(cluster, later(10))
    assert set(intents(cluster)) == {first, second}


def test_with_overlap_both_revisions_are_held_until_the_traffic_has_moved() -> None:
    cluster, first = serving()
    second = change(cluster, "two", {"strategy": "Overlap"})
    assert intents(cluster) == {first: labels.WANTED, second: labels.WANTED}
    promote(cluster, later(1))
    assert intents(cluster) == {first: labels.DRAINING, second: labels.WANTED}
