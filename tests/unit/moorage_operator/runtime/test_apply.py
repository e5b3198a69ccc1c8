from __future__ import annotations

import pytest

from moorage_crds import labels, names
from moorage_operator.metrics import Metrics
from moorage_operator.reconcile import (
    Action,
    AddFinalizer,
    Apply,
    ApplyStatus,
    ChangeCredentials,
    Create,
    Delete,
    MakeStoreUser,
    RemoveFinalizer,
    RemoveReplicaEntries,
    RemoveStoreUsers,
)
from moorage_operator.runtime import apierrors
from moorage_operator.runtime.apply import Executed, Executor, StaleError
from moorage_operator.runtime.events import Recorder
from moorage_operator.runtime.pace import Pace
from moorage_operator.runtime.store import Store
from moorage_operator.runtime.storeusers import Stores
from tests.unit.moorage_operator.runtime.fake_api import Request, ScriptedApi
from tests.unit.moorage_operator.runtime.fake_clock import FakeClock
from tests.unit.moorage_operator.runtime.objects import Manifest, manifest, tenant

SERVICE: Manifest = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "triton", "namespace": "tenant-acme"}}
BINDING: Manifest = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "RoleBinding",
    "metadata": {"name": "moorage-operator", "namespace": "tenant-acme"},
}
FORBIDDEN = apierrors.ForbiddenError("no", 403)


class Execution:
    def __init__(self, clock: FakeClock) -> None:
        self.api = ScriptedApi()
        self.store = Store()
        self.metrics = Metrics()
        self.clock = clock
        self.executor = Executor(
            api=self.api,
            store=self.store,
            stores=Stores(clock),
            recorder=Recorder(self.api, self.metrics, clock, "pod-1"),
            metrics=self.metrics,
            pace=Pace(clock),
            clock=clock,
        )

    async def run(self, *actions: Action, answers: list[Manifest | apierrors.ApiError]) -> Executed:
        self.api.answers.extend(answers)
        return await self.executor.execute(actions)

    @property
    def last(self) -> Request:
        return self.api.requests[-1]

    def written(self, kind: str, verb: str, result: str) -> float | None:
        given = {"kind": kind, "verb": verb, "result": result}
        return self.metrics.registry.get_sample_value("moorage_operator_writes_total", given)


@pytest.fixture
def it(clock: FakeClock) -> Execution:
    return Execution(clock)


async def test_create_posts_strictly_and_the_answer_is_in_the_next_world(it: Execution) -> None:
    await it.run(Create(SERVICE), answers=[manifest("triton", 9)])
    assert (it.last.method, it.last.path) == ("POST", "/api/v1/namespaces/tenant-acme/services")
    assert it.last.params == {"fieldManager": names.FIELD_MANAGER, "fieldValidation": "Strict"}
    assert ("Service", "triton") in it.store.world("acme").children
    assert it.written("Service", "Create", "ok") == 1


async def test_apply_is_forced_and_carries_the_observed_version(it: Execution) -> None:
    await it.run(Apply(SERVICE, "7"), answers=[manifest("triton", 9)])
    assert (it.last.method, it.last.content_type) == ("PATCH", "application/apply-patch+yaml")
    assert it.last.params["force"] == "true"
    assert it.last.body["metadata"]["resourceVersion"] == "7"
    assert "resourceVersion" not in SERVICE["metadata"]
    assert it.store.world("acme").children["Service", "triton"]["metadata"]["resourceVersion"] == "9"


async def test_apply_of_something_new_carries_no_version(it: Execution) -> None:
    await it.run(Apply(SERVICE, None), answers=[manifest("triton", 9)])
    assert "resourceVersion" not in it.last.body["metadata"]


async def test_a_status_is_applied_to_the_subresource(it: Execution) -> None:
    await it.run(ApplyStatus("Tenant", None, "acme", {"namespace": "x"}, "3"), answers=[tenant(version=9)])
    assert it.last.path == "/apis/moorage.dev/v1alpha1/tenants/acme/status"
    assert it.last.body == {
        "apiVersion": "moorage.dev/v1alpha1",
        "kind": "Tenant",
        "metadata": {"name": "acme", "resourceVersion": "3"},
        "status": {"namespace": "x"},
    }


async def test_a_deletion_names_the_uid_and_is_known_at_once(it: Execution) -> None:
    it.store.wrote(manifest("triton", 9))
    await it.run(Delete("Service", "tenant-acme", "triton", "u1", "v1"), answers=[{"kind": "Status"}])
    assert it.last.body["preconditions"] == {"uid": "u1"}
    assert it.store.world("acme").children == {}


@pytest.mark.parametrize(
    ("how", "policy"),
    [({}, "Background"), ({"with_dependents": True}, "Foreground"), ({"orphans": True}, "Orphan")],
)
async def test_a_deletion_says_what_becomes_of_what_the_object_owns(
    it: Execution, how: dict[str, bool], policy: str
) -> None:
    await it.run(Delete("StatefulSet", "tenant-acme", "weaviate", "u1", "apps/v1", **how), answers=[{"kind": "Status"}])
    assert it.last.body["propagationPolicy"] == policy


async def test_a_deletion_of_what_is_gone_is_done(it: Execution) -> None:
    it.store.wrote(manifest("triton", 9))
    gone = apierrors.NotFoundError("gone", 404)
    assert (await it.run(Delete("Service", "tenant-acme", "triton", "u1", "v1"), answers=[gone])).writes == 1
    assert it.store.world("acme").children == {}


async def test_an_object_that_ends_slowly_stays_known(it: Execution) -> None:
    ending = manifest("tenant-acme", 9, namespace="", kind="Namespace", status={"phase": "Terminating"})
    await it.run(Delete("Namespace", None, "tenant-acme", "u1", "v1"), answers=[ending])
    world = it.store.world("acme")
    assert world.namespace is not None
    assert world.namespace["status"]["phase"] == "Terminating"


@pytest.mark.parametrize("error", [apierrors.ConflictError("c", 409), apierrors.NotFoundError("n", 404)])
async def test_a_lost_race_is_stale_and_counted(it: Execution, error: apierrors.ApiError) -> None:
    with pytest.raises(StaleError):
        await it.run(Apply(SERVICE, "7"), answers=[error])
    assert it.metrics.registry.get_sample_value("moorage_operator_conflicts_total") == 1


async def test_the_first_failure_ends_the_list(it: Execution) -> None:
    with pytest.raises(apierrors.ServerError):
        await it.run(Apply(SERVICE, None), Create(SERVICE), answers=[apierrors.ServerError("x", 500)])
    assert len(it.api.requests) == 1


async def test_a_403_right_after_a_binding_is_tried_again_at_once(it: Execution) -> None:
    answers: list[Manifest | apierrors.ApiError] = [
        manifest("moorage-operator", 8, kind="RoleBinding"),
        FORBIDDEN,
        manifest("triton", 9),
    ]
    assert (await it.run(Apply(BINDING, None), Create(SERVICE), answers=answers)).writes == 2


async def test_a_403_without_a_new_binding_is_a_refusal(it: Execution) -> None:
    with pytest.raises(apierrors.ForbiddenError):
        await it.run(Create(SERVICE), answers=[FORBIDDEN])
    assert len(it.api.requests) == 1


async def test_a_failed_test_of_a_json_patch_is_a_lost_race(it: Execution) -> None:
    operations = ({"op": "test", "path": "/status/replicas/0/podUID", "value": "x"},)
    with pytest.raises(StaleError):
        await it.run(
            RemoveReplicaEntries("tenant-acme", "m", operations), answers=[apierrors.InvalidError("test", 422)]
        )
    assert it.last.path.endswith("/namespaces/tenant-acme/modeldeployments/m/status")
    assert it.last.content_type == "application/json-patch+json"


async def test_credentials_are_changed_by_a_patch_of_which_no_value_stays_here(it: Execution) -> None:
    answer = manifest(names.CREDENTIALS, 9, kind="Secret", data={names.WEAVIATE_KEY: "bmV3"})
    await it.run(ChangeCredentials("tenant-acme", ({"op": "test", "path": "/x", "value": "y"},)), answers=[answer])
    assert (it.last.method, it.last.path) == ("PATCH", f"/api/v1/namespaces/tenant-acme/secrets/{names.CREDENTIALS}")
    assert it.last.content_type == "application/json-patch+json"
    assert it.store.world("acme").children["Secret", names.CREDENTIALS]["data"] == {names.WEAVIATE_KEY: "set"}
    assert it.written("Secret", "ChangeCredentials", "ok") == 1


async def test_a_store_that_fails_is_told_of_and_holds_up_nothing(it: Execution) -> None:
    root = manifest(names.CREDENTIALS, 9, kind="Secret", data={names.WEAVIATE_ROOT_KEY: "aHVzaA=="})
    make = MakeStoreUser("tenant-acme", "moorage-1", is_only=False, is_replicated=False, patch=())
    done = await it.run(make, Create(SERVICE), answers=[root, manifest("triton", 10)])
    assert "tenant-acme" in done.store_failure
    assert "hush" not in done.store_failure
    assert done.writes == 1
    assert [one.method for one in it.api.requests] == ["GET", "POST"]
    assert it.written("Secret", "MakeStoreUser", "store-error") == 1


async def test_no_store_is_asked_for_a_secret_that_was_written_meanwhile(it: Execution) -> None:
    """The answer to our own write may have been lost: another key for the user would end the one that is in use."""
    root = manifest(names.CREDENTIALS, 10, kind="Secret", data={names.WEAVIATE_ROOT_KEY: "aHVzaA=="})
    guard = {"op": "test", "path": "/metadata/resourceVersion", "value": "9"}
    make = MakeStoreUser("tenant-acme", "moorage-1", is_only=False, is_replicated=False, patch=(guard,))
    with pytest.raises(StaleError, match="changed"):
        await it.run(make, answers=[root])


@pytest.mark.parametrize("data", [{}, {names.WEAVIATE_ROOT_KEY: "no base64"}], ids=["missing", "spoilt"])
async def test_a_root_key_that_was_lost_meanwhile_is_looked_at_anew(it: Execution, data: dict[str, str]) -> None:
    end = RemoveStoreUsers("tenant-acme", "moorage-1", patch=())
    with pytest.raises(StaleError, match="root key"):
        await it.run(end, answers=[manifest(names.CREDENTIALS, 9, kind="Secret", data=data)])


async def test_credentials_that_changed_meanwhile_are_read_again(it: Execution) -> None:
    with pytest.raises(StaleError):
        await it.run(ChangeCredentials("tenant-acme", ()), answers=[apierrors.InvalidError("test", 422)])


@pytest.mark.parametrize(
    ("present", "operation"),
    [
        ([], {"op": "add", "path": "/metadata/finalizers", "value": [labels.FINALIZER]}),
        (["other"], {"op": "add", "path": "/metadata/finalizers/-", "value": labels.FINALIZER}),
    ],
)
async def test_a_finalizer_is_added_beside_others(it: Execution, present: list[str], operation: Manifest) -> None:
    observed = tenant(version=3)
    observed["metadata"]["finalizers"] = present
    it.store.caches["Tenant"].observe(observed)
    await it.run(AddFinalizer("acme", "t1", "3"), answers=[tenant(version=4)])
    guards = [
        {"op": "test", "path": "/metadata/uid", "value": "t1"},
        {"op": "test", "path": "/metadata/resourceVersion", "value": "3"},
    ]
    assert it.last.body == [*guards, operation]


async def test_only_our_finalizer_is_removed(it: Execution) -> None:
    observed = tenant(version=3)
    observed["metadata"]["finalizers"] = ["other", labels.FINALIZER]
    it.store.caches["Tenant"].observe(observed)
    await it.run(RemoveFinalizer("acme", "t1", "3"), answers=[tenant(version=4)])
    assert it.last.body[-1] == {"op": "remove", "path": "/metadata/finalizers/1"}


async def test_a_tenant_that_is_gone_needs_no_finalizer_removed(it: Execution) -> None:
    observed = tenant(version=3)
    observed["metadata"]["finalizers"] = [labels.FINALIZER]
    it.store.caches["Tenant"].observe(observed)
    await it.run(RemoveFinalizer("acme", "t1", "3"), answers=[apierrors.NotFoundError("gone", 404)])


async def test_statuses_beyond_the_burst_are_held_back_and_nothing_else_is(it: Execution) -> None:
    status = ApplyStatus("Tenant", None, "acme", {})
    for number in range(10, 13):
        assert (await it.run(status, answers=[tenant(version=number)])).deferred == 0
    executed = await it.run(status, Create(SERVICE), answers=[manifest("triton", 20)])
    assert (executed.writes, executed.deferred) == (1, 1.0)
