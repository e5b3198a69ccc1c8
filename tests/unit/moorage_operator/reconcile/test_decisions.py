"""What people decide about a model's revisions: pin, promote, abort, and another try."""

from __future__ import annotations

import json
from typing import Any

import pytest

from moorage_crds import labels
from moorage_crds.conditions import REASONS
from moorage_crds.modeldeployment import ModelDeploymentStatus, parse_spec
from moorage_crds.revision import hash8, snapshot
from moorage_operator.reconcile import rejections
from moorage_operator.reconcile.rejections import Rejection
from tests.unit.moorage_operator.reconcile.builders import (
    NOW,
    condition,
    intents,
    later,
    load,
    pass_once,
    promote,
    serving,
    source,
    status,
)
from tests.unit.moorage_operator.reconcile.fake_cluster import FakeCluster
from tests.unit.moorage_operator.reconcile.test_rollouts import CANARY, canary, change, recorded, settle, traffic


def rollout(cluster: FakeCluster, **fields: Any) -> None:
    """Set fields of spec.rollout as a person would."""
    spec = cluster.get("ModelDeployment", "digits")["spec"]
    cluster.change_spec("ModelDeployment", "digits", {"rollout": {**spec.get("rollout", {}), **fields}})


def decide(cluster: FakeCluster, revision: str, action: str) -> None:
    rollout(cluster, decision={"revision": revision, "action": action})


def annotate(cluster: FakeCluster, text: str) -> None:
    cluster.edit("ModelDeployment", "digits", ("metadata", "annotations"), {labels.RETRY: text})


def history(*contents: str) -> tuple[FakeCluster, list[str]]:
    """Return a cluster whose model has served several revisions, and their hashes."""
    cluster, first = serving(contents[0])
    made = [first]
    for number, content in enumerate(contents[1:], start=1):
        cluster.change_spec("ModelDeployment", "digits", {"source": source(content)})
        made.append(promote(cluster, later(100 * number)))
        settle(cluster, later(100 * number + 50))
    return cluster, made


def test_a_promoted_canary_gets_all_requests() -> None:
    cluster, first, second = canary()
    decide(cluster, second, "Promote")
    settle(cluster)
    assert traffic(cluster) == {second: 100}
    assert intents(cluster) == {first: labels.DRAINING, second: labels.WANTED}
    assert condition(status(cluster))["reason"] == "Loaded"


def test_a_promotion_waits_until_every_ready_pod_holds_the_revision() -> None:
    cluster, first = serving("one", "triton-a", "triton-b")
    second = change(cluster, "two", CANARY)
    load(cluster, "triton-a", second)
    decide(cluster, second, "Promote")
    settle(cluster)
    assert traffic(cluster) == {first: 100}


@pytest.mark.parametrize("action", ["Promote", "Abort"])
def test_a_decision_about_another_revision_has_no_effect(action: str) -> None:
    cluster, first, second = canary()
    decide(cluster, "00000000", action)
    settle(cluster)
    assert traffic(cluster) == {first: 90, second: 10}


@pytest.mark.parametrize("action", ["Promote", "Abort"])
def test_a_decision_about_the_stable_revision_has_no_effect(action: str) -> None:
    cluster, first = serving()
    decide(cluster, first, action)
    settle(cluster)
    assert traffic(cluster) == {first: 100}
    assert labels.REJECTED not in recorded(cluster, first)


def test_an_aborted_canary_drains_and_the_stable_revision_gets_all_requests() -> None:
    cluster, first, second = canary()
    decide(cluster, second, "Abort")
    pass_once(cluster)
    assert traffic(cluster) == {first: 100}
    assert intents(cluster) == {first: labels.WANTED, second: labels.WANTED}
    settle(cluster)
    assert intents(cluster) == {first: labels.WANTED, second: labels.DRAINING}
    settle(cluster, later(10))
    assert intents(cluster) == {first: labels.WANTED, second: None}
    found = status(cluster)
    assert (condition(found)["status"], condition(found)["reason"]) == ("False", "Aborted")
    assert condition(found, "Stalled")["status"] == "True"
    assert "candidateRevision" not in found
    assert found["modelStatus"]["transitionStatus"] == "BlockedByFailedLoad"
    assert found["modelStatus"]["lastFailureInfo"]["modelRevisionName"] == second
    assert ModelDeploymentStatus.model_validate(found).manifest() == found
    assert pass_once(cluster, later(3600)) == ()
    assert condition(found)["reason"] in REASONS


def test_a_candidate_may_be_aborted_while_it_loads() -> None:
    cluster, first = serving()
    second = change(cluster, "two", {})
    load(cluster, "triton-a", second, "Loading")
    decide(cluster, second, "Abort")
    settle(cluster)
    assert intents(cluster) == {first: labels.WANTED, second: None}


def test_a_rejected_revision_stays_rejected_without_the_decision_and_without_the_status() -> None:
    cluster, first, second = canary()
    decide(cluster, second, "Abort")
    settle(cluster)
    cluster.change_spec("ModelDeployment", "digits", {"rollout": CANARY})
    cluster.edit("ModelDeployment", "digits", ("status",), None)
    load(cluster, "triton-a", first)
    settle(cluster, later(60))
    assert traffic(cluster) == {first: 100}
    assert condition(status(cluster))["reason"] == "Aborted"
    assert pass_once(cluster, later(86400)) == ()


def test_a_rejected_revision_outlives_the_history_limit_while_the_spec_asks_for_it() -> None:
    cluster, first, second = canary()
    cluster.change_spec("ModelDeployment", "digits", {"revisionHistoryLimit": 0})
    decide(cluster, second, "Abort")
    settle(cluster)
    settle(cluster, later(60))
    assert set(intents(cluster)) == {first, second}


def test_a_corrected_model_is_no_longer_rejected() -> None:
    cluster, first, second = canary()
    decide(cluster, second, "Abort")
    settle(cluster)
    third = change(cluster, "three", CANARY)
    load(cluster, "triton-a", third)
    settle(cluster)
    assert traffic(cluster) == {first: 90, third: 10}
    cluster.change_spec("ModelDeployment", "digits", {"source": source("two")})
    settle(cluster)
    assert condition(status(cluster))["reason"] == "Aborted"


def test_another_retry_gives_a_rejected_revision_another_try_and_the_same_retry_does_not() -> None:
    cluster, first, second = canary()
    annotate(cluster, "one")
    decide(cluster, second, "Abort")
    settle(cluster)
    cluster.change_spec("ModelDeployment", "digits", {"rollout": CANARY})
    settle(cluster, later(20))
    assert labels.REJECTED in recorded(cluster, second)
    annotate(cluster, "two")
    settle(cluster, later(30))
    assert traffic(cluster) == {first: 90, second: 10}
    assert labels.REJECTED not in recorded(cluster, second)


def test_an_abort_that_still_stands_outweighs_a_retry() -> None:
    cluster, _, second = canary()
    decide(cluster, second, "Abort")
    settle(cluster)
    annotate(cluster, "again")
    settle(cluster, later(20))
    assert labels.REJECTED in recorded(cluster, second)


def test_a_person_may_promote_what_was_rejected() -> None:
    cluster, _, second = canary()
    decide(cluster, second, "Abort")
    settle(cluster)
    decide(cluster, second, "Promote")
    settle(cluster)
    load(cluster, "triton-a", second)
    settle(cluster)
    assert traffic(cluster) == {second: 100}
    assert labels.REJECTED not in recorded(cluster, second)


def test_an_aborted_replacement_brings_the_old_revision_back() -> None:
    cluster, first = serving()
    second = change(cluster, "two", {"strategy": "Recreate"})
    settle(cluster)
    settle(cluster, later(10))
    cluster.report("digits", "triton-a")
    settle(cluster, later(11))
    load(cluster, "triton-a", second, "LoadFailed", "no such op")
    decide(cluster, second, "Abort")
    settle(cluster, later(12))
    assert intents(cluster) == {first: labels.WANTED, second: None}
    assert traffic(cluster) == {first: 100}


def test_a_pinned_revision_is_loaded_and_serves_whatever_the_spec_asks_for() -> None:
    cluster, (first, second, third) = history("one", "two", "three")
    rollout(cluster, pin=first, canary={"weight": 10})
    assert promote(cluster, later(1000)) == first
    assert traffic(cluster) == {first: 100}
    assert intents(cluster) == {first: labels.WANTED, second: None, third: labels.DRAINING}
    found = status(cluster)
    assert (condition(found)["status"], condition(found)["reason"]) == ("True", "Pinned")
    cluster.change_spec("ModelDeployment", "digits", {"source": source("four")})
    settle(cluster, later(1100))
    assert traffic(cluster) == {first: 100}
    assert set(intents(cluster)) == {first, second, third}


def test_a_pinned_revision_is_never_pruned() -> None:
    cluster, (first, _, third) = history("one", "two", "three")
    rollout(cluster, pin=first)
    cluster.change_spec("ModelDeployment", "digits", {"revisionHistoryLimit": 0})
    settle(cluster, later(1000))
    assert set(intents(cluster)) == {first, third}
    promote(cluster, later(1001))
    settle(cluster, later(1100))
    assert set(intents(cluster)) == {first}


def test_without_its_pin_a_model_serves_what_the_spec_asks_for() -> None:
    cluster, (first, second) = history("one", "two")
    rollout(cluster, pin=first)
    promote(cluster, later(1000))
    settle(cluster, later(1100))
    cluster.change_spec("ModelDeployment", "digits", {"rollout": {}})
    assert promote(cluster, later(1200)) == second
    assert traffic(cluster) == {second: 100}
    assert condition(status(cluster))["reason"] == "Loaded"


def test_an_unknown_pin_is_an_error_and_changes_nothing_that_serves() -> None:
    cluster, first = serving()
    rollout(cluster, pin="00000000")
    settle(cluster)
    found = status(cluster)
    assert (condition(found)["status"], condition(found)["reason"]) == ("False", "RevisionNotFound")
    assert first in condition(found)["message"]
    assert condition(found, "Stalled")["status"] == "True"
    assert traffic(cluster) == {first: 100}


def test_a_pin_of_what_the_spec_asks_for_skips_the_canary() -> None:
    cluster, first = serving()
    second = change(cluster, "two", CANARY)
    rollout(cluster, pin=second)
    assert promote(cluster) == second
    assert traffic(cluster) == {second: 100}
    assert intents(cluster)[first] == labels.DRAINING


def test_a_pin_may_come_together_with_the_spec_that_it_names() -> None:
    cluster, _ = serving()
    spec = {"backend": "onnxruntime", "source": source("two")}
    known = status(cluster, "Tenant", "acme")["tenantID"]
    second = hash8(snapshot(known, "digits", parse_spec({"spec": spec})))
    cluster.change_spec("ModelDeployment", "digits", {**spec, "rollout": {"pin": second}})
    assert promote(cluster) == second
    assert traffic(cluster) == {second: 100}


def test_a_python_revision_cannot_be_pinned_where_the_tenant_disables_python() -> None:
    cluster, first = serving(backend="python")
    cluster.change_spec("ModelDeployment", "digits", {"backend": "onnxruntime"})
    second = promote(cluster)
    cluster.change_spec("Tenant", "acme", {"inference": {"pythonBackend": "Disabled"}})
    rollout(cluster, pin=first)
    settle(cluster)
    assert condition(status(cluster))["reason"] == "PythonBackendDisabled"
    assert traffic(cluster) == {second: 100}


def test_status_names_the_revision_that_served_before() -> None:
    cluster, (first, second, third) = history("one", "two", "three")
    assert status(cluster)["previousRevision"] == second
    rollout(cluster, pin=first)
    promote(cluster, later(1000))
    assert status(cluster)["previousRevision"] == third


def test_a_first_revision_has_none_before_it() -> None:
    cluster, _ = serving()
    assert "previousRevision" not in status(cluster)


def test_status_names_every_revision_that_may_be_pinned_newest_first() -> None:
    cluster, (first, second) = history("one", "two")
    kept = status(cluster)["revisions"]
    assert [(each["name"], each["number"]) for each in kept] == [(second, 2), (first, 1)]
    assert [each["promotedAt"] for each in kept] == sorted((each["promotedAt"] for each in kept), reverse=True)
    assert all("rejected" not in each for each in kept)


def test_status_says_why_a_kept_revision_was_rejected() -> None:
    cluster, first, second = canary()
    decide(cluster, second, "Abort")
    settle(cluster)
    verdicts = {each["name"]: (each.get("rejected"), "promotedAt" in each) for each in status(cluster)["revisions"]}
    assert verdicts == {first: (None, True), second: ("Aborted", False)}


def test_a_pruned_revision_leaves_the_status_too() -> None:
    cluster, (first, *_) = history("one", "two", "three")
    cluster.change_spec("ModelDeployment", "digits", {"revisionHistoryLimit": 1})
    settle(cluster, later(1000))
    assert len(status(cluster)["revisions"]) == 2
    assert first not in {each["name"] for each in status(cluster)["revisions"]}


def test_a_verdict_is_read_back_as_it_was_written() -> None:
    verdict = Rejection("Aborted", "No «good»", NOW, "abc")
    assert rejections.parse(rejections.dump(verdict)) == verdict


def test_a_verdict_is_of_bounded_length() -> None:
    assert len(rejections.dump(Rejection("Aborted", "x" * 10_000, NOW))) < 1200


@pytest.mark.parametrize("text", ["", "yes", "[]", "null", json.dumps({"reason": "Nonsense", "at": 7})])
def test_a_verdict_that_nobody_can_read_still_rejects(text: str) -> None:
    found = rejections.parse(text)
    assert found
    assert found.reason == "Aborted"


def test_no_verdict_is_none() -> None:
    assert rejections.parse(None) is None
