"""A tenant's keys: rotated by age and on demand; what is replaced is kept until the last pod that holds it has gone.

The key of the vector store's user is made by the store and has a file of its own, ``test_storeusers``; a store whose
pods come up makes it at once here.
"""

from base64 import b64decode
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from moorage_crds import labels, names
from moorage_operator.reconcile import Action, ChangeCredentials, reconcile_tenant, requeue_after
from moorage_operator.reconcile.credentials import KEYS, ROTATED
from moorage_operator.reconcile.world import World
from tests.unit.moorage_operator.reconcile.builders import (
    NOW,
    SETTINGS,
    condition,
    keys,
    status,
    steady,
    tenant,
)
from tests.unit.moorage_operator.reconcile.fake_cluster import FakeCluster

CHANGE = "change Secret tenant-acme/moorage-credentials"
MAKE = "make store user tenant-acme/moorage-1"
REMOVE = "remove store users but tenant-acme/moorage-1"
DAY = 86400
WORKLOADS = (("Deployment", "triton"), ("StatefulSet", "weaviate"))


def fresh_keys() -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"fresh-{number}"


FRESH = fresh_keys()


def step(cluster: FakeCluster, days: float = 0) -> tuple[Action, ...]:
    """Reconcile once with keys that never repeat."""
    now = NOW + timedelta(days=days)
    actions = reconcile_tenant(cluster.world(), SETTINGS, now, make_key=lambda: next(FRESH))
    cluster.execute(actions)
    return actions


def ask(cluster: FakeCluster, value: str) -> None:
    cluster.edit("Tenant", "acme", ("metadata", "annotations"), {labels.ROTATE: value})


def held(cluster: FakeCluster) -> dict[str, str]:
    data = cluster.get("Secret", names.CREDENTIALS)["data"]
    return {key: b64decode(value).decode() for key, value in data.items()}


def annotations(cluster: FakeCluster) -> dict[str, str]:
    found: dict[str, str] = cluster.get("Secret", names.CREDENTIALS)["metadata"]["annotations"]
    return found


def marks(cluster: FakeCluster) -> list[str | None]:
    """Return what each workload's pods are marked with: Triton's with the rotation, the store's with its root key."""
    templates = [cluster.get(*key)["spec"]["template"]["metadata"].get("annotations", {}) for key in WORKLOADS]
    assert labels.STORE_ROOT not in templates[0]
    assert labels.ROTATION not in templates[1]
    return [templates[0].get(labels.ROTATION), templates[1].get(labels.STORE_ROOT)]


def rotating() -> tuple[FakeCluster, dict[str, str]]:
    """Return a cluster in the midst of a rotation, and the keys from before."""
    cluster = steady()
    before = held(cluster)
    ask(cluster, "now")
    step(cluster)
    step(cluster)
    return cluster, before


def test_before_a_first_rotation_pods_carry_no_mark_of_one() -> None:
    cluster = steady()
    assert marks(cluster) == [None, None]
    assert annotations(cluster) == {labels.ROTATED_AT: "2026-03-01T12:00:00Z", labels.STORE_USER: "0"}
    assert status(cluster, "Tenant", "acme")["lastRotation"] == "2026-03-01T12:00:00Z"


def test_a_rotation_keeps_what_it_replaces_and_then_rolls_the_pods() -> None:
    cluster = steady()
    before = held(cluster)
    ask(cluster, "now")
    assert keys(step(cluster)) == [CHANGE]
    after = held(cluster)
    assert {key: after[f"{key}{names.PREVIOUS}"] for key in ROTATED} == {key: before[key] for key in ROTATED}
    assert all(after[key].startswith("fresh-") for key in ROTATED)
    assert len({after[key] for key in ROTATED}) == 2
    assert keys(step(cluster)) == ["apply Deployment tenant-acme/triton", "apply status of Tenant acme", MAKE]
    assert marks(cluster) == ["1", None]
    found = status(cluster, "Tenant", "acme")
    assert (condition(found)["status"], condition(found)["reason"]) == ("False", "Progressing")
    rotated = condition(found, "CredentialsReady")
    assert (rotated["status"], rotated["reason"]) == ("True", "RotatingCredentials")


def test_replaced_keys_end_with_the_last_pod_that_holds_them() -> None:
    cluster, before = rotating()
    assert step(cluster) == ()
    triton = cluster.get("Deployment", "triton")
    cluster.roll_out()
    triton["status"]["updatedReplicas"] = 0
    step(cluster)
    assert {f"{key}{names.PREVIOUS}" for key in ROTATED} <= held(cluster).keys()
    cluster.roll_out()
    assert keys(step(cluster)) == [CHANGE, "apply status of Tenant acme"]
    assert not {f"{key}{names.PREVIOUS}" for key in ROTATED} & held(cluster).keys()
    assert condition(status(cluster, "Tenant", "acme"), "CredentialsReady")["reason"] == "RotatingCredentials"
    assert keys(step(cluster, days=1)) == [REMOVE]
    assert held(cluster).keys() == before.keys()
    kept = {names.WEAVIATE_ROOT_KEY: before[names.WEAVIATE_ROOT_KEY]}
    assert {key: value for key, value in held(cluster).items() if value in before.values()} == kept
    step(cluster)
    assert condition(status(cluster, "Tenant", "acme"), "CredentialsReady")["reason"] == "Available"
    assert step(cluster) == ()


def test_a_workload_that_is_being_made_anew_may_have_pods_that_hold_the_old_keys() -> None:
    cluster, _ = rotating()
    cluster.roll_out()
    del cluster.objects["Deployment", "tenant-acme", "triton"]
    assert keys(step(cluster)) == ["apply Deployment tenant-acme/triton", "apply status of Tenant acme"]
    assert step(cluster) == ()
    cluster.roll_out()
    assert CHANGE in keys(step(cluster))


def test_one_request_is_one_rotation_and_another_value_another() -> None:
    cluster, _ = rotating()
    cluster.roll_out()
    for _ in range(3):
        step(cluster, days=1)
    assert step(cluster) == ()
    ask(cluster, "again")
    assert keys(step(cluster)) == [CHANGE]
    step(cluster)
    assert marks(cluster) == ["2", None]


def test_a_request_during_a_rotation_waits_for_its_end() -> None:
    cluster, _ = rotating()
    ask(cluster, "again")
    assert step(cluster) == ()
    cluster.roll_out()
    step(cluster)
    assert marks(cluster) == ["1", None]
    step(cluster)
    step(cluster)
    assert marks(cluster) == ["2", None]


def test_a_tenant_made_with_a_request_has_new_keys_already() -> None:
    cluster = FakeCluster()
    asking = tenant()
    cluster.add(asking | {"metadata": asking["metadata"] | {"annotations": {labels.ROTATE: "first"}}})
    for _ in range(2):
        step(cluster)
        cluster.roll_out()
    assert annotations(cluster)[labels.ROTATED_FOR] == "first"
    step(cluster)
    assert step(cluster) == ()
    assert marks(cluster) == [None, None]


@pytest.mark.parametrize(
    ("credentials", "days", "expected"),
    [
        ({}, 80, False),
        ({}, 90, True),
        ({"rotationPeriod": "48h"}, 1, False),
        ({"rotationPeriod": "48h"}, 2, True),
        ({"rotationPeriod": "24h30m"}, 1.1, True),
        ({"rotationPeriod": "0s"}, 10000, False),
    ],
    ids=str,
)
def test_keys_are_rotated_at_their_age(credentials: dict[str, Any], days: float, expected: bool) -> None:
    cluster = steady(credentials=credentials)
    assert (keys(step(cluster, days)) == [CHANGE, "apply status of Tenant acme"]) is expected


def test_the_clock_alone_brings_the_operator_back_for_it() -> None:
    cluster = steady()
    seconds = requeue_after(cluster.world(), NOW)
    assert seconds is not None
    assert 81 * DAY <= seconds <= 90 * DAY
    assert step(cluster, days=(seconds - 1) / DAY) == ()
    assert keys(step(cluster, days=seconds / DAY))[0] == CHANGE


def test_tenants_made_together_are_not_rotated_together() -> None:
    def due(name: str) -> float | None:
        world = steady().world()
        return requeue_after(World(name, world.tenant, world.namespace, world.children), NOW)

    assert len({due(f"tenant-{number}") for number in range(20)}) > 15


def test_a_secret_of_an_earlier_version_is_as_old_as_itself() -> None:
    cluster = steady()
    metadata = cluster.get("Secret", names.CREDENTIALS)["metadata"]
    metadata["annotations"] = {}
    metadata["creationTimestamp"] = "2025-01-01T00:00:00Z"
    assert keys(step(cluster))[0] == CHANGE
    assert annotations(cluster)[labels.ROTATION] == "1"


def test_a_deleted_secret_is_made_anew_and_the_pods_take_the_new_keys() -> None:
    cluster = steady()
    before = held(cluster)
    del cluster.objects["Secret", "tenant-acme", names.CREDENTIALS]
    assert keys(step(cluster))[:3] == [
        "create Secret tenant-acme/moorage-credentials",
        "apply Deployment tenant-acme/triton",
        "apply StatefulSet tenant-acme/weaviate",
    ]
    assert marks(cluster) == ["1", "1"]
    assert annotations(cluster)[labels.ROTATION] == annotations(cluster)[labels.STORE_ROOT] == "1"
    assert held(cluster).keys() == set(KEYS)
    cluster.roll_out()
    assert keys(step(cluster)) == [MAKE]
    assert held(cluster).keys() == before.keys()
    step(cluster)
    assert step(cluster) == ()


@pytest.mark.parametrize("value", [None, "", "Y29ycnVwdA=="], ids=["missing", "empty", "another"])
@pytest.mark.parametrize(
    ("key", "marked"), [(names.INFERENCE_KEY, ["1", None]), (names.WEAVIATE_ROOT_KEY, [None, "1"])], ids=str
)
def test_a_key_spoilt_by_hand_is_replaced_and_the_pods_that_hold_it_take_it(
    key: str, marked: list[str | None], value: str | None
) -> None:
    cluster = steady()
    before = held(cluster)
    cluster.edit("Secret", names.CREDENTIALS, ("data", key), value)
    assert keys(step(cluster))[0] == CHANGE
    after = held(cluster)
    assert after[key].startswith("fresh-")
    assert {each for each in KEYS if after[each] == before[each]} == set(KEYS) - {key}
    assert after.keys() == before.keys()
    step(cluster)
    assert marks(cluster) == marked
    cluster.roll_out()
    for _ in range(3):
        step(cluster, days=1)
    assert marks(cluster) == marked
    assert step(cluster) == ()


def test_a_secret_without_any_key_is_filled_again() -> None:
    cluster = steady()
    cluster.edit("Secret", names.CREDENTIALS, ("data",), None)
    assert keys(step(cluster))[0] == CHANGE
    assert held(cluster).keys() == set(KEYS)
    assert marks(cluster) == [None, None]
    step(cluster)
    assert marks(cluster) == ["1", "1"]


def test_a_write_that_meets_another_secret_changes_nothing() -> None:
    cluster = steady()
    ask(cluster, "now")
    (action,) = reconcile_tenant(cluster.world(), SETTINGS, NOW)
    assert isinstance(action, ChangeCredentials)
    guarded = {one["path"]: one["value"] for one in action.patch if one["op"] == "test"}
    metadata = cluster.get("Secret", names.CREDENTIALS)["metadata"]
    assert guarded == {
        "/metadata/uid": metadata["uid"],
        "/metadata/resourceVersion": metadata["resourceVersion"],
    }
    assert [one["op"] for one in action.patch[:2]] == ["test", "test"]


def test_no_key_shows_in_the_text_of_a_rotation() -> None:
    cluster = steady()
    ask(cluster, "now")
    actions = reconcile_tenant(cluster.world(), SETTINGS, NOW, make_key=lambda: "hush")
    assert "aHVzaA" not in repr(actions) + " ".join(keys(actions))


def test_a_failed_rotation_is_told_and_says_nothing_of_new_keys() -> None:
    cluster = steady()
    ask(cluster, "now")
    before = status(cluster, "Tenant", "acme")["lastRotation"]
    cluster.execute(reconcile_tenant(cluster.world(), SETTINGS, NOW + timedelta(days=1), "secrets refused"))
    found = status(cluster, "Tenant", "acme")
    assert condition(found)["reason"] == "WriteFailed"
    assert found["lastRotation"] == before


def test_a_suspended_tenant_has_no_pod_that_could_hold_old_keys() -> None:
    cluster = steady(suspend=True)
    ask(cluster, "now")
    for _ in range(2):
        step(cluster)
        cluster.roll_out()
    assert keys(step(cluster))[0] == CHANGE
    assert held(cluster).keys() == set(KEYS)
    step(cluster)
    assert step(cluster) == ()


def test_pods_that_may_not_be_replaced_keep_their_keys_until_they_may() -> None:
    cluster = steady()
    cluster.change_spec("Tenant", "acme", {"quota": {"pods": 1}})
    ask(cluster, "now")
    assert keys(step(cluster, days=90)) == ["apply ResourceQuota tenant-acme/moorage", "apply status of Tenant acme"]
    assert step(cluster, days=90) == ()
    cluster.change_spec("Tenant", "acme", {"quota": {"pods": 20}})
    assert CHANGE in keys(step(cluster))


def test_a_paused_tenant_keeps_its_keys() -> None:
    cluster = steady()
    cluster.edit("Tenant", "acme", ("metadata", "annotations"), {labels.ROTATE: "now", labels.PAUSED: "true"})
    assert CHANGE not in keys(step(cluster))
