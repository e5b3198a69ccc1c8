"""The operator may do what it does and nothing else: verbs granted against verbs used, from the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from moorage_crds import labels, names
from tests.integration.conftest import SYSTEM_NAMESPACE
from tests.integration.operator import rights
from tests.integration.operator.plane import Asked, Manifest, Plane, child, namespace, tenant
from tests.integration.operator.process import OperatorProcess
from tests.integration.operator.rights import Right
from tests.integration.operator.test_model import REVISIONS, model
from tests.integration.operator.test_rollout import change, hold, serving, told, traffic
from tests.integration.operator.test_tenant import RBAC, bound_claim

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "righteous"
LEASE = {
    "apiVersion": "coordination.k8s.io/v1",
    "kind": "Lease",
    "metadata": {"name": "moorage-operator", "namespace": SYSTEM_NAMESPACE},
}
SMALL = {"limits": {"cpu": "500m", "memory": "1Gi"}}
EVERYTHING = {
    "deletionProtection": True,
    "members": [{"kind": "User", "name": "alice", "role": "admin"}],
    "inference": {"autoscaling": {"min": 1, "max": 3}, "modelClaims": ["shared"], "resources": SMALL},
    "vectorStore": {"replicas": 3, "resources": SMALL},
    "network": {"allowIngressFromNamespaces": ["web"]},
}
UNUSED: dict[Right, str] = {}
"""Rights that no request shows, each with its reason."""


@dataclass(frozen=True)
class Life:
    """What the operator asked for during a tenant's life, and the roles that it bound."""

    asked: list[Asked]
    roles: set[str]

    @property
    def used(self) -> set[Right]:
        """Return the rights that the API server granted a request for."""
        allowed = [one for one in self.asked if one.code != 403]
        return rights.needed(allowed) | rights.binding_of(self.roles)


def edit(plane: Plane, made: Manifest, change: Manifest) -> None:
    answer = plane.kube.merge(made, change)
    assert answer.is_success, answer.text


def has_everything(plane: Plane) -> None:
    plane.wait(
        partial(plane.read, child("autoscaling/v2", "HorizontalPodAutoscaler", NAME, "triton")), "the autoscaler"
    )
    plane.wait(partial(plane.read, child("policy/v1", "PodDisruptionBudget", NAME, "weaviate")), "the budget")


def revisions(plane: Plane, of_tenant: str, of_model: str) -> list[str]:
    given = {"labelSelector": f"{labels.MODEL}={of_model}"}
    items = plane.kube.request("GET", REVISIONS.format(of_tenant), params=given).json()["items"]
    return [one["metadata"]["name"] for one in items]


def has_and_loses_a_source_with_credentials(plane: Plane) -> None:
    made = model(NAME, "private")
    source = {"uri": "https://models.example/m.zip", "sha256": "0" * 64, "credentialsSecretRef": {"name": "mine"}}
    made["spec"]["source"] = source
    plane.apply(made)
    role = child(RBAC, "Role", NAME, names.SOURCES_ROLE)
    plane.wait(lambda: plane.read(role), "the Role")
    plane.wait(lambda: revisions(plane, NAME, "private"), "the revision")
    plane.kube.delete(made)
    for left in revisions(plane, NAME, "private"):  # as the garbage collector does, later
        plane.kube.delete(child("apps/v1", "ControllerRevision", NAME, left))
    plane.wait(lambda: plane.read(role) is None, "the Role's end")


def has_a_canary_and_forgets_it(plane: Plane, made: Manifest, first: str) -> None:
    """Replace a candidate that nobody keeps."""
    second = change(plane, made, NAME, "y")
    hold(plane, NAME, first, second)
    plane.wait(lambda: traffic(plane, NAME) == {first: 90, second: 10}, "the canary")
    edit(plane, made, {"spec": {"revisionHistoryLimit": 0}})
    third = change(plane, made, NAME, "z")
    hold(plane, NAME, first, third)
    plane.wait(lambda: second not in told(plane, NAME), "the end of the replaced candidate", seconds=45)


def has_pods(plane: Plane, count: int) -> bool:
    return bool((plane.read(child("apps/v1", "Deployment", NAME, "triton")) or {})["spec"]["replicas"] == count)


def sleeps_and_wakes(plane: Plane, made: Manifest) -> None:
    for suspend, pods in ((True, 0), (False, 1)):
        edit(plane, made, {"spec": {"suspend": suspend}})
        plane.wait(partial(has_pods, plane, pods), f"{pods} pods")


def rotates(plane: Plane, made: Manifest) -> None:
    edit(plane, made, {"metadata": {"annotations": {labels.ROTATE: "now"}}})
    secret = child("v1", "Secret", NAME, names.CREDENTIALS)
    plane.wait(lambda: len((plane.read(secret) or {})["data"]) > 3, "the rotation")


def has_a_store_that_runs(plane: Plane) -> None:
    """Let the store's pods be ready, so that the operator wants to make a user there; none is there that answers."""
    store = child("apps/v1", "StatefulSet", NAME, "weaviate")
    plane.wait(lambda: (plane.read(store) or {})["spec"]["replicas"] == 3, "the store's pods")
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas"), 3)
    said = {"observedGeneration": (plane.read(store) or {})["metadata"]["generation"], **counts}
    path = f"/apis/apps/v1/namespaces/{names.tenant_namespace(NAME)}/statefulsets/weaviate/status"
    headers = {"Content-Type": "application/merge-patch+json"}
    mark = plane.mark()
    assert plane.kube.request("PATCH", path, json={"status": said}, headers=headers).is_success
    plane.wait(lambda: [one for one in plane.asked(mark) if (one.verb, one.resource) == ("get", "secrets")], "the read")


def grows(plane: Plane, made: Manifest) -> None:
    bound_claim(plane, NAME)
    edit(plane, made, {"spec": {"vectorStore": {"storage": {"size": "20Gi"}}}})
    claim = child("v1", "PersistentVolumeClaim", NAME, "data-weaviate-0")
    size = {"storage": "20Gi"}
    plane.wait(lambda: (plane.read(claim) or {})["spec"]["resources"]["requests"] == size, "the growth")


def loses_everything(plane: Plane, made: Manifest) -> None:
    changes: dict[str, Any] = {"inference": {"autoscaling": None}, "vectorStore": {"backend": "None"}}
    edit(plane, made, {"spec": changes})
    plane.wait(lambda: not [one for one in plane.children(NAME) if "weaviate" in one], "the store's end")


def goes(plane: Plane, made: Manifest, policy: str) -> None:
    edit(plane, made, {"spec": {"deletionPolicy": policy, "deletionProtection": False}})
    plane.kube.delete(made)
    plane.wait(lambda: plane.read(made) is None, "the Tenant's end", seconds=45)


def returns(plane: Plane, known: str) -> Manifest:
    made = tenant(NAME)
    made["metadata"]["annotations"] = {labels.ADOPT: known}
    plane.apply(made)
    plane.wait(lambda: "statefulsets/weaviate" in plane.children(NAME), "the adoption")
    return made


def live(plane: Plane) -> Iterator[str]:
    """Lead a tenant through its life; yields the roles bound while all of them are."""
    owner = tenant(NAME)
    assert plane.kube.apply({**owner, "spec": EVERYTHING}, manager="platform").is_success
    known = plane.uid(owner)
    made, first = serving(plane, NAME, canary={"weight": 10})
    has_everything(plane)
    path = f"/apis/{RBAC}/namespaces/{names.tenant_namespace(NAME)}/rolebindings"
    has_and_loses_a_source_with_credentials(plane)
    roles = [one["roleRef"] for one in plane.kube.request("GET", path).json()["items"]]
    yield from (one["name"] for one in roles if one["kind"] == "ClusterRole")
    has_a_canary_and_forgets_it(plane, made, first)
    sleeps_and_wakes(plane, owner)
    has_a_store_that_runs(plane)
    rotates(plane, owner)
    grows(plane, owner)
    loses_everything(plane, owner)
    goes(plane, owner, "Retain")
    goes(plane, returns(plane, str(known)), "Delete")
    assert plane.read(namespace(NAME)) is None


@pytest.fixture(scope="module")
def life(plane: Plane, tmp_path_factory: pytest.TempPathFactory) -> Life:
    """A whole life of operator and tenant: from the first Lease to a released one, so that every watch has ended."""
    plane.kube.delete(LEASE)
    mark = plane.mark()
    one = OperatorProcess.start(plane, tmp_path_factory.mktemp("operator"), "operator-rights")
    one.wait_for_leadership()
    try:
        roles = set(live(plane))
        one.stop()
    finally:
        one.kill()
    return Life(list(plane.requests(mark)), roles)


def test_every_right_that_the_chart_grants_is_used_or_has_its_reason(life: Life) -> None:
    grants = rights.granted()
    used = {rights.first_that_allows(grants, one) for one in life.used}
    assert grants - used == set(UNUSED)


def test_every_request_that_was_allowed_is_allowed_by_a_right_of_the_chart(life: Life) -> None:
    grants = rights.granted()
    assert [one for one in life.used if rights.first_that_allows(grants, one) is None] == []


def test_what_was_refused_is_allowed_as_soon_as_the_authorizer_knows_the_binding(life: Life) -> None:
    """A new RoleBinding is seen by the authorizer some milliseconds late; the same request is then allowed."""
    refused = rights.needed(one for one in life.asked if one.code == 403)
    assert refused - life.used == set()
