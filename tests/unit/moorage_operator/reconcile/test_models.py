"""A model's way through its revisions."""

from typing import Any

import pytest

from moorage_crds import labels
from moorage_crds.conditions import REASONS
from moorage_crds.modeldeployment import ModelDeploymentStatus, parse_spec
from moorage_crds.revision import hash8, snapshot
from moorage_operator.reconcile import Apply, ApplyStatus, Delete, World, reconcile_tenant, requeue_after
from tests.unit.moorage_operator.reconcile.builders import (
    NOW,
    SETTINGS,
    condition,
    intents,
    keys,
    later,
    load,
    model,
    pass_once,
    promote,
    serving,
    source,
    status,
    steady,
    tenant,
)
from tests.unit.moorage_operator.reconcile.fake_cluster import FakeCluster


def operator_part(cluster: FakeCluster) -> dict[str, Any]:
    return {key: value for key, value in status(cluster).items() if key != "replicas"}


def test_a_new_model_gets_a_wanted_revision_of_its_snapshot() -> None:
    cluster = steady()
    cluster.add(model())
    known = status(cluster, "Tenant", "acme")["tenantID"]
    data = snapshot(known, "digits", parse_spec(model()))
    name = f"digits-{hash8(data)}"
    actions = pass_once(cluster)
    assert keys(actions) == [
        f"apply ControllerRevision tenant-acme/{name}",
        "apply status of ModelDeployment tenant-acme/digits",
        "apply status of Tenant acme",
    ]
    found = cluster.get("ControllerRevision", name)
    assert found["data"] == data
    assert found["revision"] == 1
    assert found["metadata"]["labels"] == {
        labels.TENANT: "acme",
        labels.MANAGED_BY: "moorage",
        labels.MODEL: "digits",
    }
    assert found["metadata"]["annotations"] == {labels.INTENT: labels.WANTED}
    (owner,) = found["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["controller"], owner["blockOwnerDeletion"]) == ("ModelDeployment", True, False)
    assert owner["uid"] == cluster.get("ModelDeployment", "digits")["metadata"]["uid"]
    assert pass_once(cluster) == ()


def test_without_ready_pods_a_model_waits() -> None:
    cluster = steady()
    cluster.set_pods("triton-a", ready=False)
    cluster.add(model())
    pass_once(cluster)
    load(cluster, "triton-a", status(cluster)["candidateRevision"])
    pass_once(cluster)
    found = status(cluster)
    assert condition(found)["reason"] == "NoReadyReplicas"
    assert condition(found, "Reconciling")["status"] == "True"
    assert "traffic" not in found
    assert "stableRevision" not in found


def test_a_candidate_loaded_on_every_ready_pod_is_promoted() -> None:
    cluster, revision = serving("one", "triton-a", "triton-b")
    found = status(cluster)
    assert found["traffic"] == [{"revision": revision, "tritonName": f"digits--{revision}", "weight": 100}]
    assert found["stableRevision"] == revision
    assert "candidateRevision" not in found
    assert found["modelStatus"] == {
        "transitionStatus": "UpToDate",
        "states": {"activeModelState": "Loaded", "targetModelState": "Loaded"},
        "copies": {"failedCopies": 0, "totalCopies": 2},
    }
    assert condition(found)["reason"] == "Loaded"
    assert pass_once(cluster, later(3600)) == ()


def test_a_candidate_missing_on_one_ready_pod_is_not_promoted() -> None:
    cluster, first = serving("one", "triton-a", "triton-b")
    cluster.change_spec("ModelDeployment", "digits", {"source": source("two")})
    pass_once(cluster)
    load(cluster, "triton-a", status(cluster)["candidateRevision"])
    pass_once(cluster)
    found = status(cluster)
    assert found["stableRevision"] == first
    assert condition(found)["reason"] == "Loading"
    assert condition(found)["message"] == "1 of 2 ready replicas hold it."
    assert found["modelStatus"]["transitionStatus"] == "InProgress"
    assert found["modelStatus"]["states"] == {"activeModelState": "Loaded", "targetModelState": "Loading"}


def test_status_fits_its_schema_and_its_reasons_are_documented() -> None:
    cluster, _ = serving()
    found = status(cluster)
    assert ModelDeploymentStatus.model_validate(found).manifest() == found
    assert {item["reason"] for item in found["conditions"]} <= REASONS.keys()


def test_a_replaced_revision_drains_ten_seconds_and_is_then_history() -> None:
    cluster, first = serving()
    cluster.change_spec("ModelDeployment", "digits", {"source": source("two")})
    second = promote(cluster, later(60))
    assert intents(cluster) == {first: labels.DRAINING, second: labels.WANTED}
    assert status(cluster)["traffic"][0]["revision"] == second
    assert requeue_after(cluster.world(), later(63)) == 7
    assert pass_once(cluster, later(69)) == ()
    assert keys(pass_once(cluster, later(70))) == [f"apply ControllerRevision tenant-acme/digits-{first}"]
    assert intents(cluster) == {first: None, second: labels.WANTED}
    assert (requeue_after(cluster.world(), later(70)) or 0) > 80 * 86400  # the age of the credentials


@pytest.mark.parametrize(
    ("said", "shown"),
    [("ChecksumMismatch", "ChecksumMismatch"), (None, "FetchFailed"), ("OfANewerAgent", "FetchFailed")],
)
def test_a_failure_shows_the_agents_reason_if_it_is_a_known_one(said: str | None, shown: str) -> None:
    cluster = steady()
    cluster.set_pods("triton-a")
    cluster.add(model())
    pass_once(cluster)
    load(cluster, "triton-a", status(cluster)["candidateRevision"], "FetchFailed", "no", reason=said)
    pass_once(cluster)
    found = status(cluster)
    assert condition(found)["reason"] == shown
    assert found["modelStatus"]["lastFailureInfo"]["reason"] == shown


def test_the_new_revision_is_promoted_then_gets_the_traffic_and_only_then_is_the_old_one_drained() -> None:
    cluster, first = serving()
    cluster.change_spec("ModelDeployment", "digits", {"source": source("two")})
    pass_once(cluster)
    second = status(cluster)["candidateRevision"]
    load(cluster, "triton-a", second)
    assert keys(pass_once(cluster))[:2] == [
        f"apply ControllerRevision tenant-acme/digits-{second}",
        "apply status of ModelDeployment tenant-acme/digits",
    ]
    assert keys(pass_once(cluster)) == [f"apply ControllerRevision tenant-acme/digits-{first}"]


def test_a_failed_load_keeps_the_old_revision_serving() -> None:
    cluster, first = serving("one", "triton-a", "triton-b")
    cluster.change_spec("ModelDeployment", "digits", {"source": source("bad")})
    pass_once(cluster)
    bad = status(cluster)["candidateRevision"]
    load(cluster, "triton-a", bad)
    load(cluster, "triton-b", bad, "LoadFailed", "no such op")
    pass_once(cluster)
    found = status(cluster)
    assert found["traffic"][0]["revision"] == first
    assert intents(cluster) == {first: labels.WANTED, bad: labels.WANTED}
    assert (condition(found)["status"], condition(found)["reason"]) == ("False", "LoadFailed")
    assert condition(found)["message"] == "triton-b: no such op"
    assert condition(found, "Stalled")["status"] == "True"
    assert condition(found, "Reconciling")["status"] == "False"
    assert found["modelStatus"] == {
        "transitionStatus": "BlockedByFailedLoad",
        "states": {"activeModelState": "Loaded", "targetModelState": "FailedToLoad"},
        "copies": {"failedCopies": 1, "totalCopies": 1},
        "lastFailureInfo": {
            "reason": "LoadFailed",
            "message": "no such op",
            "modelRevisionName": bad,
            "location": "triton-b",
        },
    }
    tenant_status = status(cluster, "Tenant", "acme")
    assert tenant_status["models"] == {"total": 1, "ready": 0, "failed": 1}
    assert condition(tenant_status, "ModelsReady")["reason"] == "ModelsNotReady"
    assert condition(tenant_status)["status"] == "True"


def test_a_corrected_model_recovers_and_the_failed_revision_is_history() -> None:
    cluster, first = serving()
    cluster.change_spec("ModelDeployment", "digits", {"source": source("bad")})
    pass_once(cluster)
    bad = status(cluster)["candidateRevision"]
    load(cluster, "triton-a", bad, "FetchFailed", "404")
    pass_once(cluster)
    assert condition(status(cluster))["reason"] == "FetchFailed"
    cluster.change_spec("ModelDeployment", "digits", {"source": source("good")})
    good = promote(cluster, later(5))
    assert intents(cluster) == {first: labels.DRAINING, bad: None, good: labels.WANTED}
    assert condition(status(cluster), "Stalled")["status"] == "False"


def test_a_failure_on_a_pod_that_is_not_ready_does_not_count() -> None:
    cluster, first = serving("one", "triton-a")
    cluster.set_pods("triton-a")
    load(cluster, "triton-z", first, "LoadFailed", "starting")
    pass_once(cluster)
    assert condition(status(cluster))["status"] == "True"


def test_going_back_brings_the_old_revision_back_from_history() -> None:
    cluster, first = serving()
    cluster.change_spec("ModelDeployment", "digits", {"source": source("two")})
    second = promote(cluster, later(60))
    pass_once(cluster, later(100))
    cluster.change_spec("ModelDeployment", "digits", {"source": source("one")})
    assert promote(cluster, later(200)) == first
    assert intents(cluster) == {first: labels.WANTED, second: labels.DRAINING}
    assert status(cluster)["stableRevision"] == first
    assert cluster.get("ControllerRevision", f"digits-{first}")["revision"] == 3


def test_an_abandoned_candidate_gives_way_to_the_stable_revision() -> None:
    cluster, first = serving()
    cluster.change_spec("ModelDeployment", "digits", {"source": source("two")})
    pass_once(cluster)
    second = status(cluster)["candidateRevision"]
    cluster.change_spec("ModelDeployment", "digits", {"source": source("one")})
    pass_once(cluster)
    assert intents(cluster) == {first: labels.WANTED, second: None}
    assert condition(status(cluster))["status"] == "True"


def test_history_beyond_its_limit_is_deleted_oldest_first() -> None:
    cluster, first = serving(revisionHistoryLimit=1)
    made = [first]
    for number in range(1, 4):
        cluster.change_spec("ModelDeployment", "digits", {"source": source(f"v{number}"), "revisionHistoryLimit": 1})
        made.append(promote(cluster, later(100 * number)))
    pass_once(cluster, later(1000))
    assert intents(cluster) == {made[2]: None, made[3]: labels.WANTED}


def test_serving_and_wanted_revisions_are_never_history() -> None:
    cluster, first = serving(revisionHistoryLimit=0)
    cluster.change_spec("ModelDeployment", "digits", {"source": source("two"), "revisionHistoryLimit": 0})
    pass_once(cluster)
    assert set(intents(cluster)) == {first, status(cluster)["candidateRevision"]}


def test_promotions_keep_their_order_when_the_clock_goes_back() -> None:
    cluster, _ = serving()
    cluster.change_spec("ModelDeployment", "digits", {"source": source("two")})
    second = promote(cluster, later(-3600))
    assert status(cluster)["stableRevision"] == second
    assert not [action for action in pass_once(cluster, later(-3600)) if isinstance(action, Apply)]


def test_fields_that_do_not_decide_the_bytes_make_no_revision() -> None:
    cluster, first = serving()
    cluster.change_spec("ModelDeployment", "digits", {"revisionHistoryLimit": 2})
    (action,) = pass_once(cluster)
    assert isinstance(action, ApplyStatus)
    assert status(cluster)["stableRevision"] == first
    assert status(cluster)["observedGeneration"] == 2


def test_a_cleared_status_is_rebuilt_with_the_same_traffic() -> None:
    cluster, _ = serving()
    cluster.change_spec("ModelDeployment", "digits", {"source": source("two")})
    pass_once(cluster, later(60))
    before = operator_part(cluster)
    cluster.edit("ModelDeployment", "digits", ("status",), None)
    pass_once(cluster, later(61))
    rebuilt = operator_part(cluster)
    assert {key: rebuilt[key] for key in ("traffic", "stableRevision", "candidateRevision")} == {
        key: before[key] for key in ("traffic", "stableRevision", "candidateRevision")
    }


def test_an_edited_revision_is_repaired() -> None:
    cluster, first = serving()
    name = f"digits-{first}"
    cluster.edit("ControllerRevision", name, ("metadata", "annotations", labels.INTENT), labels.DRAINING)
    assert keys(pass_once(cluster)) == [f"apply ControllerRevision tenant-acme/{name}"]
    assert intents(cluster) == {first: labels.WANTED}


def test_another_snapshot_under_the_same_hash_is_refused() -> None:
    cluster = steady()
    cluster.add(model())
    pass_once(cluster)
    name = f"digits-{status(cluster)['candidateRevision']}"
    cluster.edit("ControllerRevision", name, ("data",), {"other": True})
    pass_once(cluster)
    found = status(cluster)
    assert condition(found)["reason"] == "HashCollision"
    assert condition(found, "Stalled")["status"] == "True"
    assert "candidateRevision" not in found


def test_python_models_are_refused_where_the_tenant_disables_them() -> None:
    cluster = steady()
    cluster.add(model(backend="python", source=source("x")))
    actions = pass_once(cluster)
    assert not [action for action in actions if isinstance(action, Apply)]
    found = status(cluster)
    assert condition(found)["reason"] == "PythonBackendDisabled"
    assert condition(found, "Stalled")["status"] == "True"
    assert found["modelStatus"]["transitionStatus"] == "InvalidSpec"


def test_disabling_python_unloads_what_runs() -> None:
    cluster, revision = serving(backend="python")
    cluster.change_spec("Tenant", "acme", {"inference": {"pythonBackend": "Disabled"}})
    pass_once(cluster)
    assert intents(cluster) == {revision: None}
    assert "traffic" not in status(cluster)


def test_disabling_python_ends_a_drain_too() -> None:
    cluster, first = serving(backend="python")
    cluster.change_spec("ModelDeployment", "digits", {"backend": "onnxruntime"})
    second = promote(cluster)
    assert intents(cluster) == {first: labels.DRAINING, second: labels.WANTED}
    cluster.change_spec("Tenant", "acme", {"inference": {"pythonBackend": "Disabled"}})
    pass_once(cluster)
    assert intents(cluster) == {first: None, second: labels.WANTED}


def test_a_spec_of_another_version_keeps_the_old_revision_serving() -> None:
    cluster, first = serving()
    cluster.change_spec("ModelDeployment", "digits", {"source": {"uri": "ftp://example.com/x"}})
    pass_once(cluster)
    found = status(cluster)
    assert (condition(found)["reason"], found["stableRevision"]) == ("InvalidSpec", first)
    assert "spec.source.uri" in condition(found)["message"]
    assert "example.com" not in condition(found)["message"]


def test_a_paused_model_is_left_alone_and_says_so() -> None:
    cluster, first = serving()
    cluster.edit("ModelDeployment", "digits", ("metadata", "annotations"), {labels.PAUSED: "true"})
    cluster.change_spec("ModelDeployment", "digits", {"source": source("two")})
    (action,) = pass_once(cluster)
    assert isinstance(action, ApplyStatus)
    assert "replicas" not in action.status
    found = status(cluster)
    assert condition(found)["reason"] == "Paused"
    assert found["traffic"][0]["revision"] == first
    assert pass_once(cluster) == ()


def test_a_model_being_deleted_is_left_to_the_garbage_collector() -> None:
    cluster, _ = serving()
    cluster.edit("ModelDeployment", "digits", ("metadata", "deletionTimestamp"), "2026-03-01T00:00:00Z")
    (action,) = pass_once(cluster)
    assert action.key == "apply status of Tenant acme"
    assert status(cluster, "Tenant", "acme")["models"]["total"] == 0


def test_revisions_of_a_deleted_model_of_the_same_name_make_way() -> None:
    cluster, first = serving()
    old = cluster.get("ControllerRevision", f"digits-{first}")["metadata"]["uid"]
    del cluster.objects["ModelDeployment", "tenant-acme", "digits"]
    cluster.add(model())
    (delete, make, *_) = pass_once(cluster)
    assert isinstance(delete, Delete)
    assert delete.uid == old
    assert isinstance(make, Apply)
    assert make.resource_version is None
    assert status(cluster)["candidateRevision"] == first
    assert "stableRevision" not in status(cluster)


def test_models_without_a_tenant_wait_and_are_never_deleted() -> None:
    cluster = FakeCluster()
    cluster.add(_namespace({labels.TENANT: "acme"}))
    cluster.add(model())
    (action,) = pass_once(cluster)
    assert isinstance(action, ApplyStatus)
    found = status(cluster)
    assert condition(found)["reason"] == "TenantNotFound"
    assert condition(found, "Stalled")["status"] == "False"
    assert pass_once(cluster) == ()


def test_models_without_a_tenant_are_left_alone_where_the_fence_keeps_us_out() -> None:
    cluster = FakeCluster()
    cluster.add(_namespace({}))
    cluster.add(model())
    assert pass_once(cluster) == ()


def _namespace(own: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tenant-acme", "labels": own}}


def test_models_of_a_namespace_that_is_going_are_left_alone() -> None:
    cluster, _ = serving()
    del cluster.objects["Tenant", None, "acme"]
    cluster.get("Namespace", "tenant-acme")["metadata"]["deletionTimestamp"] = "2026-03-01T00:00:00Z"
    assert pass_once(cluster) == ()


def test_models_in_a_foreign_namespace_are_untouched() -> None:
    cluster = FakeCluster()
    cluster.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tenant-acme"}})
    cluster.add(tenant())
    cluster.add(model())
    assert keys(pass_once(cluster)) == ["apply status of Tenant acme"]


def test_a_model_leaves_children_and_pod_templates_alone() -> None:
    cluster = steady()
    cluster.add(model())
    kinds = {key.split()[1] for key in keys(pass_once(cluster))}
    assert kinds == {"ControllerRevision", "status"}


def test_a_second_model_does_not_touch_the_first() -> None:
    cluster, first = serving()
    cluster.add(model("digits-2", source=source("other")))
    written = [key for key in keys(pass_once(cluster)) if "digits" in key]
    assert [key for key in written if first in key or key.endswith("/digits")] == []
    assert len(written) == 2


def test_entries_of_vanished_pods_are_removed_last_first() -> None:
    cluster, revision = serving("one", "triton-a")
    for pod in ("triton-b", "triton-c"):
        load(cluster, pod, revision)
    cluster.set_pods("triton-b")
    patch = [action for action in pass_once(cluster) if action.key.startswith("remove replica entries")]
    assert [step for action in patch for step in action.patch] == [  # type: ignore[union-attr]  # the key tells the type
        {"op": "test", "path": "/status/replicas/2/podUID", "value": "uid-triton-c"},
        {"op": "remove", "path": "/status/replicas/2"},
        {"op": "test", "path": "/status/replicas/0/podUID", "value": "uid-triton-a"},
        {"op": "remove", "path": "/status/replicas/0"},
    ]
    assert [entry["pod"] for entry in status(cluster)["replicas"]] == ["triton-b"]
    assert pass_once(cluster) == ()


def removals(world: World) -> list[str]:
    keyed = keys(reconcile_tenant(world, SETTINGS, NOW))
    return [key for key in keyed if key.startswith("remove replica entries")]


def test_a_young_entry_is_kept_until_its_pod_must_have_been_seen() -> None:
    cluster, _ = serving()
    cluster.set_pods()
    cluster.get("ModelDeployment", "digits")["status"]["replicas"][0]["lastChangeTime"] = "2026-03-01T11:59:30Z"
    assert removals(cluster.world()) == []
    assert requeue_after(cluster.world(), NOW) == 30


def test_entries_are_kept_while_no_endpoint_slice_is_known() -> None:
    cluster, _ = serving()
    assert removals(cluster.world(endpoint_slices=())) == []


def test_entries_of_pods_that_are_not_ready_are_kept() -> None:
    cluster, _ = serving()
    cluster.set_pods("triton-a", ready=False)
    assert removals(cluster.world()) == []


def test_an_endpoint_without_a_ready_condition_counts_as_ready() -> None:
    cluster, _ = serving()
    endpoints = [{"targetRef": {"kind": "Pod", "uid": "uid-triton-a"}}, {"addresses": ["10.0.0.1"]}]
    world = cluster.world(endpoint_slices=({"endpoints": endpoints}, {"endpoints": None}))
    assert reconcile_tenant(world, SETTINGS, NOW) == ()


def test_models_beyond_the_quota_load_nothing_and_say_why() -> None:
    cluster = steady(quota={"models": 1})
    cluster.set_pods("triton-a")
    for name, made in (("young", "2026-02-02T00:00:00Z"), ("old", "2026-02-01T00:00:00Z")):
        cluster.add(model(name))["metadata"]["creationTimestamp"] = made
    pass_once(cluster)
    assert condition(status(cluster, name="young"))["reason"] == "QuotaExceeded"
    assert condition(status(cluster, name="old"))["reason"] == "Loading"
    assert [name[:-9] for kind, _, name in cluster.objects if kind == "ControllerRevision"] == ["old"]
    cluster.change_spec("Tenant", "acme", {"quota": {"models": 2}})
    pass_once(cluster)
    assert condition(status(cluster, name="young"))["reason"] == "Loading"


def test_a_lowered_quota_of_models_leaves_what_serves() -> None:
    cluster, revision = serving()
    cluster.change_spec("Tenant", "acme", {"quota": {"models": 0}})
    pass_once(cluster)
    assert condition(status(cluster))["reason"] == "QuotaExceeded"
    assert status(cluster)["stableRevision"] == revision
    assert intents(cluster) == {revision: "Wanted"}
