"""The vector store's user: made once the store runs, replaced in each rotation without touching the store's pods."""

from __future__ import annotations

from base64 import b64decode, b64encode
from datetime import timedelta
from typing import Any

import pytest

from moorage_crds import labels, names
from moorage_operator.reconcile import (
    Action,
    AwaitTurn,
    MakeStoreUser,
    RemoveStoreUsers,
    reconcile_tenant,
    requeue_after,
)
from moorage_operator.reconcile.storeusers import DRAIN
from tests.unit.moorage_operator.reconcile.builders import (
    NOW,
    SETTINGS,
    claim,
    condition,
    keys,
    later,
    pass_once,
    status,
    steady,
    tenant,
)
from tests.unit.moorage_operator.reconcile.fake_cluster import ConflictError, FakeCluster

AFTER = DRAIN.total_seconds()
PREVIOUS = f"{names.WEAVIATE_KEY}{names.PREVIOUS}"
MAKE = "make store user tenant-acme/moorage-{}"
REMOVE = "remove store users but tenant-acme/moorage-{}"


def secret(cluster: FakeCluster) -> dict[str, str]:
    data = cluster.get("Secret", names.CREDENTIALS)["data"]
    return {key: b64decode(value or "").decode() for key, value in data.items()}


def noted(cluster: FakeCluster) -> dict[str, str]:
    found: dict[str, str] = cluster.get("Secret", names.CREDENTIALS)["metadata"]["annotations"]
    return found


def taken(cluster: FakeCluster) -> set[str]:
    """Return the keys that the store takes besides its root key."""
    return {b64decode(key).decode() for key in cluster.store_users.values()}


def decided(cluster: FakeCluster, seconds: float = 0) -> list[Action]:
    """Return what would be asked of the store."""
    actions = reconcile_tenant(cluster.world(), SETTINGS, later(seconds), make_key=lambda: "key")
    return [one for one in actions if isinstance(one, MakeStoreUser | RemoveStoreUsers)]


def rotate(cluster: FakeCluster, value: str = "now") -> None:
    cluster.edit("Tenant", "acme", ("metadata", "annotations"), {labels.ROTATE: value})
    pass_once(cluster)


def rotated() -> tuple[FakeCluster, str]:
    """Return a cluster whose store has just followed a rotation, and the key from before."""
    cluster = steady()
    before = secret(cluster)[names.WEAVIATE_KEY]
    rotate(cluster)
    pass_once(cluster)
    return cluster, before


def pass_without_the_store(cluster: FakeCluster) -> None:
    """Reconcile while the store does not answer."""
    actions = reconcile_tenant(cluster.world(), SETTINGS, NOW, make_key=lambda: "key")
    cluster.execute(one for one in actions if not isinstance(one, MakeStoreUser | RemoveStoreUsers))


def store_ready(cluster: FakeCluster) -> tuple[str, str]:
    found = condition(status(cluster, "Tenant", "acme"), "VectorStoreReady")
    return found["status"], found["reason"]


def test_a_new_store_is_not_ready_until_it_has_a_user() -> None:
    cluster = FakeCluster()
    cluster.add(tenant())
    pass_once(cluster)
    assert names.WEAVIATE_KEY not in secret(cluster)
    assert pass_once(cluster) == ()
    cluster.roll_out()
    assert keys(pass_once(cluster)) == ["apply status of Tenant acme", MAKE.format(0)]
    assert store_ready(cluster) == ("False", "StoreUserPending")
    assert {secret(cluster)[names.WEAVIATE_KEY]} == taken(cluster)
    assert keys(pass_once(cluster)) == ["apply status of Tenant acme"]
    assert store_ready(cluster) == ("True", "Available")
    assert pass_once(cluster) == ()


def test_a_store_that_does_not_answer_is_asked_again_and_costs_no_write() -> None:
    cluster = FakeCluster()
    cluster.add(tenant())
    pass_once(cluster)
    cluster.roll_out()
    pass_without_the_store(cluster)
    assert keys(reconcile_tenant(cluster.world(), SETTINGS, NOW)) == [MAKE.format(0)]
    assert store_ready(cluster) == ("False", "StoreUserPending")


def test_a_rotation_makes_another_user_and_keeps_the_one_before_for_a_minute() -> None:
    cluster, before = rotated()
    after = secret(cluster)
    assert after[PREVIOUS] == before != after[names.WEAVIATE_KEY]
    assert taken(cluster) == {before, after[names.WEAVIATE_KEY]}
    cluster.roll_out()
    pass_once(cluster)
    pass_once(cluster)
    assert decided(cluster, AFTER - 1) == []
    assert condition(status(cluster, "Tenant", "acme"), "CredentialsReady")["reason"] == "RotatingCredentials"
    assert keys(pass_once(cluster, later(AFTER))) == [REMOVE.format(1)]
    assert taken(cluster) == {after[names.WEAVIATE_KEY]}
    assert PREVIOUS not in secret(cluster)
    pass_once(cluster, later(AFTER))
    assert condition(status(cluster, "Tenant", "acme"), "CredentialsReady")["reason"] == "Available"
    assert pass_once(cluster, later(AFTER)) == ()


def test_a_rotation_leaves_the_store_s_pods_and_its_root_key_as_they_are() -> None:
    cluster = steady()
    template = cluster.get("StatefulSet", "weaviate")["spec"]["template"]
    root = secret(cluster)[names.WEAVIATE_ROOT_KEY]
    rotate(cluster)
    for seconds in (0, 1, AFTER, AFTER + 1):
        pass_once(cluster, later(seconds))
    assert cluster.get("StatefulSet", "weaviate")["spec"]["template"] == template
    assert secret(cluster)[names.WEAVIATE_ROOT_KEY] == root


def test_the_clock_alone_ends_the_user_before() -> None:
    cluster, _ = rotated()
    assert requeue_after(cluster.world(), NOW) == AFTER


def test_a_rotation_is_not_told_to_be_over_before_the_store_has_followed() -> None:
    cluster = steady()
    rotate(cluster)
    for _ in range(4):
        pass_without_the_store(cluster)
        cluster.roll_out()
    assert not [key for key in secret(cluster) if key.endswith(names.PREVIOUS)]
    assert condition(status(cluster, "Tenant", "acme"), "CredentialsReady")["reason"] == "RotatingCredentials"


def cut_before_the_secret(cluster: FakeCluster, action: Action) -> None:
    """Let the store do its part of an action, and the operator end before it writes the Secret."""
    if isinstance(action, MakeStoreUser):
        cluster.make_store_user(action.user)
    if isinstance(action, RemoveStoreUsers) or (isinstance(action, MakeStoreUser) and action.is_only):
        cluster.store_users = {action.user: cluster.store_users[action.user]}


@pytest.mark.parametrize("cut", range(3), ids=["first user", "next user", "end of the one before"])
def test_an_operator_killed_between_store_and_secret_goes_on_where_it_was(cut: int) -> None:
    cluster = FakeCluster()
    cluster.add(tenant())
    pass_once(cluster)
    cluster.roll_out()
    met, seconds = 0, 0.0
    for _ in range(12):
        for action in reconcile_tenant(cluster.world(), SETTINGS, later(seconds), make_key=lambda: "key"):
            if isinstance(action, MakeStoreUser | RemoveStoreUsers):
                met += 1
                if met == cut + 1:
                    cut_before_the_secret(cluster, action)
                    assert secret(cluster).get(names.WEAVIATE_KEY, "") in taken(cluster) | {""}
                    continue
            cluster.execute((action,))
        cluster.roll_out()
        if names.WEAVIATE_KEY in secret(cluster):
            cluster.edit("Tenant", "acme", ("metadata", "annotations"), {labels.ROTATE: "now"})
        seconds += AFTER / 2
    assert met == 4
    assert list(cluster.store_users) == ["moorage-1"]
    assert {secret(cluster)[names.WEAVIATE_KEY]} == taken(cluster)
    assert PREVIOUS not in secret(cluster)
    assert pass_once(cluster, later(seconds)) == ()


def test_a_secret_that_changed_meanwhile_gets_no_key() -> None:
    cluster = steady()
    rotate(cluster)
    (action,) = decided(cluster)
    cluster.edit("Secret", names.CREDENTIALS, ("metadata", "labels", "mine"), "yes")
    with pytest.raises(ConflictError):
        cluster.execute((action,))
    assert keys(tuple(decided(cluster))) == [MAKE.format(1)]


@pytest.mark.parametrize("value", [None, "", "Y29ycnVwdA=="], ids=["missing", "empty", "another"])
def test_a_key_of_the_api_that_is_spoilt_by_hand_is_replaced_and_rolls_nothing(value: str | None) -> None:
    cluster = steady()
    template = cluster.get("StatefulSet", "weaviate")["spec"]["template"]
    cluster.edit("Secret", names.CREDENTIALS, ("data", names.WEAVIATE_KEY), value)
    assert keys(pass_once(cluster)) == ["apply status of Tenant acme", MAKE.format(0)]
    assert {secret(cluster)[names.WEAVIATE_KEY]} == taken(cluster)
    pass_once(cluster)
    assert pass_once(cluster) == ()
    assert cluster.get("StatefulSet", "weaviate")["spec"]["template"] == template


def test_a_key_spoilt_while_the_one_before_drains_leaves_nothing_of_it() -> None:
    cluster, _ = rotated()
    cluster.edit("Secret", names.CREDENTIALS, ("data", names.WEAVIATE_KEY), "Y29ycnVwdA==")
    pass_once(cluster)
    assert {secret(cluster)[names.WEAVIATE_KEY]} == taken(cluster)
    assert PREVIOUS not in secret(cluster)
    assert labels.STORE_USER_SINCE not in noted(cluster)


def test_a_store_that_lost_its_data_gets_its_user_again() -> None:
    cluster = FakeCluster()
    cluster.add(tenant())
    pass_once(cluster)
    cluster.add(claim())
    cluster.roll_out()
    for _ in range(3):
        pass_once(cluster)
    assert pass_once(cluster) == ()
    del cluster.objects["PersistentVolumeClaim", "tenant-acme", "data-weaviate-0"]
    assert pass_once(cluster) == ()
    cluster.add(claim())
    cluster.store_users = {}
    assert MAKE.format(0) in keys(pass_once(cluster))
    assert {secret(cluster)[names.WEAVIATE_KEY]} == taken(cluster)
    pass_once(cluster)
    assert pass_once(cluster) == ()


def test_a_store_whose_claim_was_not_seen_yet_is_left_alone_when_it_is() -> None:
    cluster = steady()
    cluster.add(claim())
    assert decided(cluster) == []


def not_ready(cluster: FakeCluster) -> None:
    cluster.get("StatefulSet", "weaviate")["status"]["readyReplicas"] = 0


def being_replaced(cluster: FakeCluster) -> None:
    cluster.get("StatefulSet", "weaviate")["status"]["updatedReplicas"] = 0


def of_another_template(cluster: FakeCluster) -> None:
    image = cluster.get("StatefulSet", "weaviate")["spec"]["template"]["spec"]["containers"][0]
    image["image"] = "registry.example/weaviate:0"


def gone(cluster: FakeCluster) -> None:
    del cluster.objects["StatefulSet", "tenant-acme", "weaviate"]


@pytest.mark.parametrize("disturb", [not_ready, being_replaced, of_another_template, gone])
def test_a_store_that_is_not_as_it_shall_be_is_not_asked(disturb: Any) -> None:
    cluster = steady()
    rotate(cluster)
    assert len(decided(cluster)) == 1
    disturb(cluster)
    assert decided(cluster) == []


def test_a_suspended_tenants_store_follows_a_rotation_when_it_wakes() -> None:
    cluster = steady()
    before = secret(cluster)[names.WEAVIATE_KEY]
    cluster.change_spec("Tenant", "acme", {"suspend": True})
    pass_once(cluster)
    cluster.roll_out()
    rotate(cluster)
    for seconds in range(4):
        assert decided(cluster, seconds) == []
        pass_once(cluster, later(seconds))
        cluster.roll_out()
    assert condition(status(cluster, "Tenant", "acme"), "CredentialsReady")["reason"] == "Available"
    cluster.change_spec("Tenant", "acme", {"suspend": False})
    pass_once(cluster)
    cluster.roll_out()
    assert keys(tuple(decided(cluster))) == [MAKE.format(1)]
    pass_once(cluster)
    assert secret(cluster)[PREVIOUS] == before
    pass_once(cluster, later(AFTER))
    assert before not in taken(cluster)


@pytest.mark.parametrize(
    "store", [{"backend": "None"}, {"external": {"endpoint": "https://weaviate.example"}}], ids=["none", "external"]
)
def test_a_tenant_without_a_store_of_its_own_has_no_user(store: dict[str, Any]) -> None:
    cluster = steady(vectorStore=store)
    rotate(cluster)
    assert decided(cluster) == []
    assert names.WEAVIATE_KEY not in secret(cluster)
    for _ in range(3):
        pass_once(cluster)
        cluster.roll_out()
    assert condition(status(cluster, "Tenant", "acme"), "CredentialsReady")["reason"] == "Available"
    assert pass_once(cluster) == ()


def test_a_store_that_goes_in_the_midst_of_a_rotation_holds_up_nothing() -> None:
    cluster, _ = rotated()
    cluster.change_spec("Tenant", "acme", {"vectorStore": {"backend": "None"}})
    pass_once(cluster)
    cluster.roll_out()
    for _ in range(3):
        pass_once(cluster, later(AFTER))
    assert condition(status(cluster, "Tenant", "acme"), "CredentialsReady")["reason"] == "Available"
    assert pass_once(cluster, later(AFTER)) == ()


@pytest.mark.parametrize(("replicas", "expected"), [(1, False), (3, True)], ids=str)
def test_a_user_of_several_nodes_is_known_to_be_one(replicas: int, expected: bool) -> None:
    cluster = steady(vectorStore={"replicas": replicas})
    rotate(cluster)
    (action,) = decided(cluster)
    assert isinstance(action, MakeStoreUser)
    assert action.is_replicated is expected


def of_an_earlier_version() -> FakeCluster:
    """Return a tenant as the version before left it: rotated once, its store with the API's key alone."""
    cluster, _ = rotated()
    cluster.roll_out()
    for _ in range(3):
        pass_once(cluster, later(AFTER))
    found = cluster.get("Secret", names.CREDENTIALS)
    found["data"] = {key: value for key, value in found["data"].items() if key != names.WEAVIATE_ROOT_KEY}
    found["data"][names.WEAVIATE_KEY] = b64encode(b"static").decode()
    found["metadata"]["annotations"] = {
        **{key: noted(cluster)[key] for key in (labels.ROTATED_AT, labels.ROTATION, labels.ROTATED_FOR)}
    }
    template = cluster.get("StatefulSet", "weaviate")["spec"]["template"]
    template["metadata"]["annotations"] = {labels.ROTATION: "1"}
    of_another_template(cluster)
    cluster.store_users = {}
    return cluster


def test_a_store_of_an_earlier_version_takes_its_old_key_until_its_user_is_made() -> None:
    cluster = of_an_earlier_version()
    pass_once(cluster)
    assert secret(cluster)[names.WEAVIATE_ROOT_KEY] == secret(cluster)[names.WEAVIATE_KEY] == "static"
    pass_once(cluster)
    assert decided(cluster) == []
    cluster.roll_out()
    assert keys(tuple(decided(cluster))) == [MAKE.format(1)]
    pass_once(cluster)
    assert secret(cluster)[PREVIOUS] == "static"
    assert {secret(cluster)[names.WEAVIATE_KEY]} == taken(cluster)
    assert store_ready(cluster) == ("True", "Available")
    pass_once(cluster, later(AFTER))
    pass_once(cluster, later(AFTER))
    assert PREVIOUS not in secret(cluster)
    assert pass_once(cluster, later(AFTER)) == ()
    assert labels.STORE_ROOT not in noted(cluster)
    assert noted(cluster)[labels.ROTATION] == "1"


def test_a_store_of_an_earlier_version_has_its_turn_among_the_others() -> None:
    cluster = of_an_earlier_version()
    cluster.execute(reconcile_tenant(cluster.world(may_roll=False), SETTINGS, NOW))
    actions = reconcile_tenant(cluster.world(may_roll=False), SETTINGS, NOW)
    waiting = [one for one in actions if isinstance(one, AwaitTurn)]
    assert [(one.kind, one.name) for one in waiting] == [("StatefulSet", "weaviate")]
    assert not [one for one in actions if isinstance(one, MakeStoreUser)]


def test_no_text_of_an_action_shows_what_it_writes() -> None:
    cluster = steady()
    rotate(cluster)
    (make,) = decided(cluster)
    assert "op" not in repr(make)
    pass_once(cluster)
    (end,) = decided(cluster, AFTER)
    assert "op" not in repr(end)
    assert (make.key, end.key) == (MAKE.format(1), REMOVE.format(1))


def test_keys_that_come_of_age_bring_another_user() -> None:
    cluster = steady()
    day = timedelta(days=90).total_seconds()
    pass_once(cluster, later(day))
    assert keys(tuple(decided(cluster, day))) == [MAKE.format(1)]
