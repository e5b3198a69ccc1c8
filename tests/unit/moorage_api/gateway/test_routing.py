"""Traffic x ready replicas, and what a forged status gains: nothing."""

from __future__ import annotations

from typing import Any

import pytest

from moorage_api.gateway import routing
from moorage_api.gateway.routing import Choice, Replica, Target

STABLE, CANARY = "aaaaaaaa", "bbbbbbbb"


def endpoint(uid: str, address: str = "10.0.0.1", *, ready: bool | None = True, pod: str | None = None) -> Any:
    return {
        "addresses": [address],
        "conditions": {} if ready is None else {"ready": ready},
        "targetRef": {"kind": "Pod", "name": pod or f"triton-{uid}", "uid": uid},
    }


def leaving(uid: str, address: str, *, serving: bool = True) -> Any:
    """Return a pod that is ending, as Kubernetes tells of it until it is gone."""
    conditions = {"ready": False, "serving": serving, "terminating": True}
    return endpoint(uid, address) | {"conditions": conditions}


def a_slice(*endpoints: Any, tenant: str = "acme", family: str = "IPv4") -> Any:
    return {"metadata": {"namespace": f"tenant-{tenant}"}, "addressType": family, "endpoints": list(endpoints)}


def holding(uid: str, *revisions: str, state: str = "Loaded", pod: str | None = None, **more: Any) -> Any:
    held = [{"name": revision, "state": state} for revision in revisions]
    return {"pod": pod or f"triton-{uid}", "podUID": uid, "revisions": held, **more}


def model(*replicas: Any, traffic: dict[str, int] | None = None, namespace: str = "tenant-acme") -> Any:
    shares = [
        {"revision": revision, "tritonName": "of-the-status", "weight": weight}
        for revision, weight in (traffic or {STABLE: 100}).items()
    ]
    return {
        "metadata": {"name": "sentiment", "namespace": namespace},
        "status": {"traffic": shares, "replicas": list(replicas)},
    }


def addresses(targets: tuple[Target, ...]) -> list[tuple[str, str]]:
    return [(target.revision, replica.address) for target in targets for replica in target.replicas]


BOTH = a_slice(endpoint("u1", "10.0.0.1"), endpoint("u2", "10.0.0.2"))

CASES = {
    "a ready pod that holds the revision answers": (model(holding("u1", STABLE)), [BOTH], [(STABLE, "10.0.0.1")]),
    "every holder takes part": (
        model(holding("u1", STABLE), holding("u2", STABLE)),
        [BOTH],
        [(STABLE, "10.0.0.1"), (STABLE, "10.0.0.2")],
    ),
    "a pod that is not ready is spared where another holds the revision": (
        model(holding("u1", STABLE), holding("u2", STABLE)),
        [a_slice(endpoint("u1", "10.0.0.1", ready=False), endpoint("u2", "10.0.0.2"))],
        [(STABLE, "10.0.0.2")],
    ),
    "a pod that is not ready, as while its agent restarts, answers where no other can": (
        model(holding("u1", STABLE)),
        [a_slice(endpoint("u1", ready=False))],
        [(STABLE, "10.0.0.1")],
    ),
    "a pod of unknown readiness counts as not ready": (
        model(holding("u1", STABLE), holding("u2", STABLE)),
        [a_slice(endpoint("u1", "10.0.0.1", ready=None), endpoint("u2", "10.0.0.2"))],
        [(STABLE, "10.0.0.2")],
    ),
    "a pod that leaves is surer than one that is not ready": (
        model(holding("u1", STABLE), holding("u2", STABLE)),
        [a_slice(endpoint("u1", "10.0.0.1", ready=False), leaving("u2", "10.0.0.2"))],
        [(STABLE, "10.0.0.2")],
    ),
    "a pod that leaves answers until another holds the revision": (
        model(holding("u1", STABLE)),
        [a_slice(leaving("u1", "10.0.0.1"), endpoint("u2", "10.0.0.2"))],
        [(STABLE, "10.0.0.1")],
    ),
    "a pod that leaves is spared once another holds the revision": (
        model(holding("u1", STABLE), holding("u2", STABLE)),
        [a_slice(leaving("u1", "10.0.0.1"), endpoint("u2", "10.0.0.2"))],
        [(STABLE, "10.0.0.2")],
    ),
    "a pod that leaves and serves no more takes no part": (
        model(holding("u1", STABLE)),
        [a_slice(leaving("u1", "10.0.0.1", serving=False))],
        [],
    ),
    "a revision that is still loading takes no part": (model(holding("u1", STABLE, state="Loading")), [BOTH], []),
    "a revision that failed takes no part": (model(holding("u1", STABLE, state="LoadFailed")), [BOTH], []),
    "a pod whose entry speaks of another revision takes no part": (model(holding("u1", CANARY)), [BOTH], []),
    "a forged entry naming another tenant's pod leads nowhere": (
        model(holding("victim", STABLE)),
        [BOTH, a_slice(endpoint("victim", "10.9.9.9"), tenant="victim")],
        [],
    ),
    "a forged address in the status is not read": (
        model(holding("u1", STABLE, address="10.9.9.9", ip="10.9.9.9", podIP="10.9.9.9")),
        [BOTH],
        [(STABLE, "10.0.0.1")],
    ),
    "a pod that took over a known address is not the pod the status speaks of": (
        model(holding("u1", STABLE)),
        [a_slice(endpoint("u9", "10.0.0.1"))],
        [],
    ),
    "an entry under another pod's name is not believed": (
        model(holding("u1", STABLE, pod="triton-other")),
        [BOTH],
        [],
    ),
    "a model of another namespace has no route": (
        model(holding("u1", STABLE), namespace="tenant-other"),
        [BOTH],
        [],
    ),
    "a share of nothing gets nothing": (
        model(holding("u1", STABLE, CANARY), traffic={STABLE: 100, CANARY: 0}),
        [BOTH],
        [(STABLE, "10.0.0.1")],
    ),
    "a revision that is no hash has no route": (
        model(holding("u1", "../x"), traffic={"../x": 100}),
        [BOTH],
        [],
    ),
    "a pod in two slices counts once": (
        model(holding("u1", STABLE)),
        [a_slice(endpoint("u1")), a_slice(endpoint("u1"))],
        [(STABLE, "10.0.0.1")],
    ),
    "a slice of host names is not read": (model(holding("u1", STABLE)), [a_slice(endpoint("u1"), family="FQDN")], []),
    "an endpoint without a pod is not read": (
        model(holding("u1", STABLE)),
        [a_slice({"addresses": ["10.0.0.1"], "conditions": {"ready": True}})],
        [],
    ),
    "a model without status has no route": (
        {"metadata": {"name": "sentiment", "namespace": "tenant-acme"}},
        [BOTH],
        [],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_routes(case: str) -> None:
    manifest, slices, expected = CASES[case]
    assert addresses(routing.routes("acme", manifest, slices)) == expected


def test_the_triton_name_is_derived_whatever_the_status_says() -> None:
    (target,) = routing.routes("acme", model(holding("u1", STABLE)), [BOTH])
    assert target.triton_name == f"sentiment--{STABLE}"


R1, R2 = Replica("u1", "triton-u1", "10.0.0.1"), Replica("u2", "triton-u2", "10.0.0.2")
SPLIT = (Target(STABLE, "s", 90, (R1,)), Target(CANARY, "c", 10, (R2,)))


@pytest.mark.parametrize(("draw", "expected"), [(0.0, STABLE), (0.89, STABLE), (0.9, CANARY), (0.999999, CANARY)])
def test_a_draw_falls_on_a_revision_by_its_weight(draw: float, expected: str) -> None:
    choice = routing.pick(SPLIT, draw, lambda _: 0)
    assert choice is not None
    assert choice.revision == expected


def test_the_share_of_a_revision_that_nobody_holds_falls_to_the_others() -> None:
    (target,) = routing.routes("acme", model(holding("u1", STABLE), traffic={STABLE: 10, CANARY: 90}), [BOTH])
    assert routing.pick((target,), 0.99, lambda _: 0) == Choice(STABLE, target.triton_name, R1)


def test_the_replica_with_the_fewest_requests_in_flight_is_taken() -> None:
    target = Target(STABLE, "s", 100, (R1, R2))
    busy = {"u1": 3, "u2": 2}
    choices = {routing.pick((target,), draw / 10, lambda uid: busy[uid]) for draw in range(10)}
    assert choices == {Choice(STABLE, "s", R2)}


def test_idle_replicas_share_the_work() -> None:
    target = Target(STABLE, "s", 100, (R1, R2))
    assert {routing.pick((target,), draw, lambda _: 0) for draw in (0.1, 0.9)} == {
        Choice(STABLE, "s", R1),
        Choice(STABLE, "s", R2),
    }


def test_nothing_is_picked_from_nothing() -> None:
    assert routing.pick((), 0.5, lambda _: 0) is None


def test_a_replica_that_does_not_answer_is_left_out_of_every_revision() -> None:
    assert routing.without((Target(STABLE, "s", 90, (R1, R2)), Target(CANARY, "c", 10, (R1,))), R1) == (
        Target(STABLE, "s", 90, (R2,)),
    )


def test_one_revision_alone_can_be_asked_for() -> None:
    assert routing.only(SPLIT, CANARY) == SPLIT[1:]


def test_a_replica_that_lacks_the_canary_after_all_still_answers_with_the_stable_revision() -> None:
    one, two = Replica("u-1", "triton-u-1", "10.0.0.1"), Replica("u-2", "triton-u-2", "10.0.0.2")
    targets = (Target(STABLE, "m--a", 90, (one,)), Target(CANARY, "m--b", 10, (one, two)))
    left = routing.without_holding(targets, Choice(CANARY, "m--b", one))
    assert left == (Target(STABLE, "m--a", 90, (one,)), Target(CANARY, "m--b", 10, (two,)))
    assert routing.without_holding(left, Choice(CANARY, "m--b", two)) == (Target(STABLE, "m--a", 90, (one,)),)
