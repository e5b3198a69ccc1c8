"""Tenants through the API are Tenants in Kubernetes, and Kubernetes has the last word."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.api import Api
    from tests.support.kube import Kube, Manifest

TENANTS = "/api/v1/tenants"
Headers = dict[str, str]


def manifest(name: str) -> Manifest:
    return {"apiVersion": "moorage.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": name}}


async def test_a_created_tenant_is_a_custom_resource_owned_by_us(
    api: Api, admin: Headers, kube: Kube, name: str
) -> None:
    created = await api.client.post(TENANTS, headers=admin, json={"name": name, "spec": {"displayName": "Acme"}})

    assert created.status_code == 201
    assert created.headers["location"] == f"{TENANTS}/{name}"
    live = kube.get(manifest(name)).json()
    assert live["spec"]["displayName"] == "Acme"
    assert created.headers["etag"] == f'"{live["metadata"]["uid"]}.1"'
    (entry,) = live["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"]) == ("moorage-api", "Apply")
    # What nobody wrote is a default of the schema's, and ours to own would forbid it to everybody else.
    assert entry["fieldsV1"] == {"f:spec": {"f:displayName": {}}}


async def test_a_write_is_read_back_at_once(api: Api, admin: Headers, name: str) -> None:
    for number in range(5):
        body = {"spec": {"displayName": f"Acme {number}"}}
        if number == 0:
            written = await api.client.post(TENANTS, headers=admin, json={"name": name, **body})
        else:
            written = await api.client.put(f"{TENANTS}/{name}", headers=admin, json=body)
        read = await api.client.get(f"{TENANTS}/{name}", headers=admin)
        assert read.json() == written.json()
        assert read.headers["etag"] == written.headers["etag"]


async def test_a_name_that_is_taken_is_a_conflict_and_changes_nothing(
    api: Api, admin: Headers, kube: Kube, name: str
) -> None:
    await api.client.post(TENANTS, headers=admin, json={"name": name, "spec": {"displayName": "first"}})

    again = await api.client.post(TENANTS, headers=admin, json={"name": name, "spec": {"displayName": "second"}})

    assert again.status_code == 409
    assert again.json()["code"] == "conflict"
    assert kube.get(manifest(name)).json()["spec"]["displayName"] == "first"


async def test_of_many_creations_at_once_one_wins(api: Api, admin: Headers, kube: Kube, name: str) -> None:
    answers = await asyncio.gather(
        *(
            api.client.post(TENANTS, headers=admin, json={"name": name, "spec": {"displayName": str(number)}})
            for number in range(5)
        )
    )

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    (won,) = [answer.json() for answer in answers if answer.status_code == 201]
    assert kube.get(manifest(name)).json()["spec"] == won["spec"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"quota": {"pods": 0}}, "spec.quota.pods"),
        ({"nonsense": 1}, "spec.nonsense"),
        ({"members": [{"kind": "User", "name": "system:admin", "role": "admin"}]}, "spec.members.0.name"),
        (
            {"members": [{"kind": "User", "name": "a", "role": one} for one in ("admin", "user")]},
            "spec.members",
        ),
    ],
)
async def test_an_invalid_spec_is_refused_with_its_field(
    api: Api, admin: Headers, name: str, spec: dict[str, Any], field: str
) -> None:
    answer = await api.client.post(TENANTS, headers=admin, json={"name": name, "spec": spec})

    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid-input"
    assert [each["field"] for each in answer.json()["errors"]] == [field]
    assert (await api.client.get(f"{TENANTS}/{name}", headers=admin)).status_code == 404


@pytest.mark.parametrize("bad", ["A", "a.b", "-a", "a" * 41, "system:a", "../a"])
async def test_an_invalid_name_is_refused(api: Api, admin: Headers, bad: str) -> None:
    answer = await api.client.post(TENANTS, headers=admin, json={"name": bad})

    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["name"]


async def test_what_only_the_api_server_refuses_names_its_field_too(api: Api, admin: Headers, name: str) -> None:
    await api.client.post(TENANTS, headers=admin, json={"name": name})
    spec = {"vectorStore": {"storage": {"size": "1Gi"}}}

    answer = await api.client.put(f"{TENANTS}/{name}", headers=admin, json={"spec": spec})

    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["spec.vectorStore.storage.size"]


async def test_a_field_of_another_manager_is_not_taken(
    api: Api, admin: Headers, kube: Kube, name: str, tenant_of_kubectl: Callable[..., Any]
) -> None:
    await tenant_of_kubectl(name, manager="flux", displayName="from Git")

    answer = await api.client.put(f"{TENANTS}/{name}", headers=admin, json={"spec": {"displayName": "mine"}})

    assert answer.status_code == 409
    assert answer.json()["code"] == "managed-elsewhere"
    assert "flux manages spec.displayName" in answer.json()["detail"]
    assert kube.get(manifest(name)).json()["spec"]["displayName"] == "from Git"


async def test_a_tenants_admin_changes_its_own_fields_and_none_of_the_platforms(
    api: Api, kube: Kube, name: str, tenant_of_kubectl: Callable[..., Any]
) -> None:
    alice = await api.user(f"alice-{name}")
    await tenant_of_kubectl(name, members=[{"kind": "User", "name": alice.name, "role": "admin"}])
    headers, url = await api.signed_in(alice), f"{TENANTS}/{name}"
    read = (await api.client.get(url, headers=headers)).json()["spec"]

    own = await api.client.put(url, headers=headers, json={"spec": read | {"displayName": "ours"}})
    more = await api.client.put(url, headers=headers, json={"spec": read | {"quota": read["quota"] | {"pods": 999}}})

    assert own.status_code == 200, own.text
    assert (more.status_code, more.json()["code"]) == (403, "forbidden")
    assert "spec.quota.pods:" in more.json()["detail"]
    live = kube.get(manifest(name)).json()["spec"]
    assert (live["displayName"], live["quota"]["pods"]) == ("ours", read["quota"]["pods"])


async def test_what_the_other_manager_left_alone_may_be_set(
    api: Api, admin: Headers, kube: Kube, name: str, tenant_of_kubectl: Callable[..., Any]
) -> None:
    await tenant_of_kubectl(name, manager="flux", displayName="from Git")

    answer = await api.client.put(f"{TENANTS}/{name}", headers=admin, json={"spec": {"quota": {"pods": 7}}})

    assert answer.status_code == 200
    spec = kube.get(manifest(name)).json()["spec"]
    assert (spec["displayName"], spec["quota"]["pods"]) == ("from Git", 7)


async def test_what_a_replacement_leaves_out_returns_to_its_default(api: Api, admin: Headers, name: str) -> None:
    body = {"name": name, "spec": {"displayName": "Acme", "quota": {"pods": 7}}}
    await api.client.post(TENANTS, headers=admin, json=body)

    answer = await api.client.put(f"{TENANTS}/{name}", headers=admin, json={"spec": {"quota": {"cpu": "2"}}})

    assert answer.json()["spec"]["displayName"] == ""
    quota = answer.json()["spec"]["quota"]
    assert (quota["cpu"], quota["memory"], quota["pods"]) == ("2", "16Gi", 20)


async def test_an_old_tag_neither_replaces_nor_deletes(api: Api, admin: Headers, kube: Kube, name: str) -> None:
    created = await api.client.post(TENANTS, headers=admin, json={"name": name})
    old = {**admin, "If-Match": created.headers["etag"]}
    first = await api.client.put(f"{TENANTS}/{name}", headers=old, json={"spec": {"displayName": "one"}})
    assert first.status_code == 200

    replaced = await api.client.put(f"{TENANTS}/{name}", headers=old, json={"spec": {"displayName": "two"}})
    deleted = await api.client.delete(f"{TENANTS}/{name}", headers=old)

    assert [replaced.status_code, deleted.status_code] == [412, 412]
    assert replaced.json()["code"] == "precondition-failed"
    assert kube.get(manifest(name)).json()["spec"]["displayName"] == "one"


async def test_a_tag_outlives_writes_of_the_status(
    api: Api, admin: Headers, name: str, tenant_of_kubectl: Callable[..., Any]
) -> None:
    created = await api.client.post(TENANTS, headers=admin, json={"name": name})
    await tenant_of_kubectl(name)

    tagged = {**admin, "If-Match": created.headers["etag"]}
    answer = await api.client.put(f"{TENANTS}/{name}", headers=tagged, json={"spec": {"displayName": "x"}})
    assert answer.status_code == 200


async def test_of_many_replacements_with_one_tag_one_wins(api: Api, admin: Headers, name: str) -> None:
    created = await api.client.post(TENANTS, headers=admin, json={"name": name})
    tagged = {**admin, "If-Match": created.headers["etag"]}
    answers = await asyncio.gather(
        *(
            api.client.put(f"{TENANTS}/{name}", headers=tagged, json={"spec": {"displayName": str(number)}})
            for number in range(5)
        )
    )

    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]


async def test_a_tenant_being_deleted_is_listed_until_it_is_gone(
    api: Api, admin: Headers, kube: Kube, name: str
) -> None:
    await api.client.post(TENANTS, headers=admin, json={"name": name})
    kube.merge(manifest(name), {"metadata": {"finalizers": ["moorage.dev/tenant"]}})

    assert (await api.client.delete(f"{TENANTS}/{name}", headers=admin)).status_code == 202

    assert (await api.client.get(f"{TENANTS}/{name}", headers=admin)).json()["deleting"]
    listed = (await api.client.get(TENANTS, headers=admin, params={"limit": 200})).json()["items"]
    assert [each["deleting"] for each in listed if each["name"] == name] == [True]
    kube.merge(manifest(name), {"metadata": {"finalizers": None}})


async def test_a_deleted_tenant_is_gone_at_once_and_its_name_is_free(api: Api, admin: Headers, name: str) -> None:
    first = await api.client.post(TENANTS, headers=admin, json={"name": name})
    assert (await api.client.delete(f"{TENANTS}/{name}", headers=admin)).status_code == 202

    assert (await api.client.get(f"{TENANTS}/{name}", headers=admin)).status_code == 404
    assert (await api.client.delete(f"{TENANTS}/{name}", headers=admin)).status_code == 404
    second = await api.client.post(TENANTS, headers=admin, json={"name": name})
    assert second.status_code == 201
    assert second.json()["uid"] != first.json()["uid"]
    assert (await api.client.get(f"{TENANTS}/{name}", headers=admin)).json()["uid"] == second.json()["uid"]


async def test_an_unknown_tenant_is_not_replaced(api: Api, admin: Headers, kube: Kube, name: str) -> None:
    answer = await api.client.put(f"{TENANTS}/{name}", headers=admin, json={"spec": {}})

    assert answer.status_code == 404
    assert kube.get(manifest(name)).status_code == 404


async def test_the_list_holds_what_the_caller_may_see(
    api: Api, name: str, tenant_of_kubectl: Callable[..., Any]
) -> None:
    alice = await api.user(f"alice-{name}")
    await tenant_of_kubectl(name, members=[{"kind": "User", "name": alice.name, "role": "viewer"}])
    await tenant_of_kubectl(f"{name}-foreign")

    page = (await api.client.get(TENANTS, headers=await api.signed_in(alice))).json()

    assert [each["name"] for each in page["items"]] == [name]


async def test_the_list_comes_in_pages(api: Api, admin: Headers, name: str) -> None:
    made = {f"{name}-{number}" for number in range(3)}
    for each in made:
        assert (await api.client.post(TENANTS, headers=admin, json={"name": each})).status_code == 201
    found: list[str] = []
    cursor = ""
    while cursor is not None:
        page = (await api.client.get(TENANTS, headers=admin, params={"limit": 2, "cursor": cursor})).json()
        assert len(page["items"]) <= 2
        found += [each["name"] for each in page["items"]]
        cursor = page["next_cursor"]

    assert found == sorted(found)
    assert made <= set(found)
    assert len(found) == len(set(found))


async def test_a_protected_tenant_is_not_deleted_until_its_protection_is_lifted(
    api: Api, admin: Headers, kube: Kube, name: str
) -> None:
    spec = {"deletionProtection": True}
    await api.client.post(TENANTS, headers=admin, json={"name": name, "spec": spec})

    refused = await api.client.delete(f"{TENANTS}/{name}", headers=admin)

    assert (refused.status_code, refused.json()["code"]) == (409, "deletion-protected")
    assert kube.get(manifest(name)).is_success
    await api.client.put(f"{TENANTS}/{name}", headers=admin, json={"spec": {}})
    assert (await api.client.delete(f"{TENANTS}/{name}", headers=admin)).status_code == 202


async def test_new_credentials_are_asked_for_by_an_annotation_that_owns_nothing_else(
    api: Api, admin: Headers, kube: Kube, name: str
) -> None:
    await api.client.post(TENANTS, headers=admin, json={"name": name, "spec": {"displayName": "Acme"}})
    asked = []
    for _ in range(2):
        api.clock.turn(seconds=1)
        answer = await api.client.post(f"{TENANTS}/{name}/rotate-credentials", headers=admin)
        assert (answer.status_code, answer.json()["name"]) == (202, name)
        live = kube.get(manifest(name)).json()
        asked.append(live["metadata"]["annotations"]["moorage.dev/rotate"])

    assert asked[0] != asked[1]
    assert live["spec"]["displayName"] == "Acme"
    assert (await api.client.put(f"{TENANTS}/{name}", headers=admin, json={"spec": {}})).status_code == 200
    assert "moorage.dev/rotate" in kube.get(manifest(name)).json()["metadata"]["annotations"]


async def test_a_retained_namespace_is_named_by_its_tenant_id(api: Api, admin: Headers, kube: Kube, name: str) -> None:
    await api.client.post(TENANTS, headers=admin, json={"name": name, "spec": {"displayName": "Acme"}})

    adopted = await api.client.post(f"{TENANTS}/{name}/adopt", headers=admin, json={"tenant_id": "5f0c2a9e-6d6c"})
    refused = await api.client.post(f"{TENANTS}/{name}/adopt", headers=admin, json={"tenant_id": "a b"})

    assert (adopted.status_code, adopted.json()["spec"]["displayName"]) == (202, "Acme")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-input")
    live = kube.get(manifest(name)).json()
    assert live["metadata"]["annotations"] == {"moorage.dev/adopt": "5f0c2a9e-6d6c"}
