"""A member writes Secrets for sources, reads none, and touches none of Moorage's own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from moorage_crds import labels, names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from tests.support.kube import Kube, Manifest

TENANT = "secretive"
NAMESPACE = names.tenant_namespace(TENANT)
LABELLED = {labels.SOURCE_CREDENTIALS: "true"}


def secret(name: str, marks: dict[str, str] | None = None, **fields: Any) -> Manifest:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": LABELLED if marks is None else marks}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"token": "x"}} | fields


def put(kube: Kube, manifest: Manifest) -> httpx.Response:
    name = manifest["metadata"]["name"]
    return kube.request("PUT", f"/api/v1/namespaces/{NAMESPACE}/secrets/{name}", json=manifest)


@pytest.fixture(scope="module")
def member(kube: Kube) -> Iterator[Callable[[str], Kube]]:
    """The view of a member of a role, in a tenant namespace with Moorage's own Secret and one that is nobody's."""
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": {labels.TENANT: TENANT}}}
    assert kube.create(home).is_success
    for one in (secret(names.CREDENTIALS, marks={}), secret("others", marks={})):
        assert kube.create(one).is_success
    for role, cluster_role in names.MEMBER_ROLES.items():
        binding: Manifest = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": role, "namespace": NAMESPACE},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": cluster_role},
            "subjects": [{"kind": "User", "name": role, "apiGroup": "rbac.authorization.k8s.io"}],
        }
        assert kube.create(binding).is_success
    developer = kube.impersonate("developer", "system:authenticated")
    deadline = time.monotonic() + 30
    while developer.create(secret("probe"), dry_run=True).status_code == 403 and time.monotonic() < deadline:
        time.sleep(0.1)
    while developer.create(secret("probe", marks={}), dry_run=True).is_success and time.monotonic() < deadline:
        time.sleep(0.1)
    yield lambda role: kube.impersonate(role, "system:authenticated")
    kube.delete(home)


@pytest.mark.parametrize("role", ["admin", "developer"])
def test_who_deploys_models_may_make_and_replace_secrets_for_their_sources(
    member: Callable[[str], Kube], role: str
) -> None:
    one = secret(f"mine-of-{role}")
    assert member(role).create(one).is_success
    assert put(member(role), one | {"stringData": {"token": "y"}}).is_success


@pytest.mark.parametrize("role", ["user", "viewer"])
def test_who_does_not_may_not(member: Callable[[str], Kube], role: str) -> None:
    assert member(role).create(secret("mine")).status_code == 403


@pytest.mark.parametrize("role", ["admin", "developer", "user", "viewer"])
def test_nobody_reads_one_by_any_way(member: Callable[[str], Kube], role: str) -> None:
    path, one = f"/api/v1/namespaces/{NAMESPACE}/secrets", secret("others")
    assert member(role).get(one).status_code == 403
    assert member(role).request("GET", path).status_code == 403
    assert member(role).merge(one, {}).status_code == 403
    assert member(role).apply(one).status_code == 403
    assert member(role).delete(one).status_code == 403
    assert member(role).request("DELETE", path).status_code == 403


REFUSED = {
    "Moorage's own name": secret("moorage-x"),
    "without the label": secret("x", marks={}),
    "a label of another value": secret("x", marks={labels.SOURCE_CREDENTIALS: "yes"}),
    "for an external vector store too": secret("x", marks=LABELLED | {labels.STORE_CREDENTIALS: "true"}),
    "a service account's token": secret(
        "x",
        type="kubernetes.io/service-account-token",
        metadata={
            "name": "x",
            "namespace": NAMESPACE,
            "labels": LABELLED,
            "annotations": {"kubernetes.io/service-account.name": names.AGENT_SERVICE_ACCOUNT},
        },
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_member_makes_no_other_secret(member: Callable[[str], Kube], case: str) -> None:
    answer = member("admin").create(REFUSED[case])
    assert answer.status_code == 422, answer.text
    assert "moorage-member-secrets" in answer.text


@pytest.mark.parametrize("name", [names.CREDENTIALS, "others"])
def test_a_member_replaces_no_secret_that_was_not_for_sources(member: Callable[[str], Kube], name: str) -> None:
    answer = put(member("admin"), secret(name))
    assert answer.status_code == 422, answer.text
    assert "moorage-member-secrets" in answer.text


@pytest.mark.usefixtures("member")
def test_who_may_read_secrets_makes_any(kube: Kube) -> None:
    assert kube.create(secret("pull", marks={}), dry_run=True).is_success
