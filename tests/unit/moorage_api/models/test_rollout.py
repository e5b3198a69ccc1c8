"""Decisions change what we own of a spec and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from moorage_api.models import rollout
from moorage_api.models.errors import NoRevisionError
from moorage_crds.errors import ManagedElsewhereError

ONE, TWO, THREE = "1" * 8, "2" * 8, "3" * 8
OWN = {"backend": "python"}
CANARY = {"stableRevision": TWO, "candidateRevision": THREE, "previousRevision": ONE}
SERVING = {"stableRevision": TWO, "previousRevision": ONE}


def live(status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {"metadata": {}, "spec": {"rollout": spec}, "status": status}


def test_a_decision_is_about_the_candidate() -> None:
    change = rollout.deciding("Promote", None)
    decision = {"revision": THREE, "action": "Promote"}
    assert change(live(CANARY), OWN) == {"backend": "python", "rollout": {"decision": decision}}


def test_a_decision_may_name_its_revision() -> None:
    changed = rollout.deciding("Abort", ONE)(live(SERVING), {})
    assert changed == {"rollout": {"decision": {"revision": ONE, "action": "Abort"}}}


def test_a_decision_keeps_what_we_own_of_the_rollout() -> None:
    changed = rollout.deciding("Abort", ONE)(live(SERVING), {"rollout": {"canary": {"weight": 5}}})
    assert changed["rollout"]["canary"] == {"weight": 5}


@pytest.mark.parametrize("found", [live(), live(SERVING), live(CANARY, pin=ONE)])
def test_there_is_nothing_to_decide_about(found: dict[str, Any]) -> None:
    with pytest.raises(NoRevisionError):
        rollout.deciding("Promote", None)(found, OWN)


@pytest.mark.parametrize(
    ("given", "status", "pinned"),
    [
        (None, SERVING, ONE),
        (None, CANARY, TWO),
        (THREE, SERVING, THREE),
        (THREE, None, THREE),
    ],
    ids=["what served before", "what a rollout would replace", "what is named", "what is named without a status"],
)
def test_a_rollback_pins(given: str | None, status: dict[str, Any] | None, pinned: str) -> None:
    assert rollout.pinning(given)(live(status), OWN) == {"backend": "python", "rollout": {"pin": pinned}}


@pytest.mark.parametrize("status", [None, {}, {"stableRevision": ONE}, {"candidateRevision": ONE}])
def test_there_is_nothing_to_go_back_to(status: dict[str, Any] | None) -> None:
    with pytest.raises(NoRevisionError):
        rollout.pinning(None)(live(status), OWN)


@pytest.mark.parametrize(
    ("own", "left"),
    [
        ({}, {}),
        (OWN, OWN),
        ({**OWN, "rollout": {"pin": ONE}}, OWN),
        ({"rollout": {"pin": ONE, "canary": {"weight": 5}}}, {"rollout": {"canary": {"weight": 5}}}),
    ],
)
def test_the_end_of_a_rollback_leaves(own: dict[str, Any], left: dict[str, Any]) -> None:
    assert rollout.unpinned(live(SERVING, pin=ONE), own) == left


def test_somebody_elses_pin_is_not_taken_away() -> None:
    fields: dict[str, Any] = {"f:spec": {"f:rollout": {"f:pin": {}}}}
    managed = [{"manager": "kubectl-patch", "operation": "Update", "fieldsV1": fields}]
    with pytest.raises(ManagedElsewhereError, match=r"kubectl-patch manages spec\.rollout\.pin"):
        rollout.unpinned({**live(SERVING, pin=ONE), "metadata": {"managedFields": managed}}, {})
