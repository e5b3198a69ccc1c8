"""Who may do what where: the one rule, case by case."""

from __future__ import annotations

from typing import Any

import pytest

from moorage_api.auth.principal import Principal, authorize, role_in, tenant_permissions
from moorage_api.errors import ForbiddenError
from moorage_crds import permissions
from moorage_crds.errors import NotFoundError
from tests.support.api import tenant

ALICE = {"kind": "User", "name": "alice"}


def principal(**changes: Any) -> Principal:
    values: dict[str, Any] = {
        "subject": "alice",
        "kind": "User",
        "platform_role": "user",
        "credential_id": "session",
        "subject_id": "id-alice",
    }
    return Principal(**(values | changes))


def api_key(*scopes: str, tenant_id: str = "uid-acme", **changes: Any) -> Principal:
    return principal(tenant="acme", tenant_id=tenant_id, scopes=frozenset(scopes), **changes)


ACME = tenant(members=[{**ALICE, "role": "developer"}])
FOREIGN = tenant("other", "uid-other")


def test_a_foreign_tenant_reads_like_one_that_is_not_there() -> None:
    messages = []
    for found in (FOREIGN, None):
        with pytest.raises(NotFoundError) as error:
            authorize(principal(), permissions.TENANTS_READ, "other", found)
        messages.append(str(error.value))

    assert messages[0] == messages[1]


def test_a_member_lacking_the_permission_is_told_which() -> None:
    with pytest.raises(ForbiddenError, match="tenants:write"):
        authorize(principal(), permissions.TENANTS_WRITE, "acme", ACME)


def test_a_member_has_what_its_role_has() -> None:
    authorize(principal(), permissions.MODELS_WRITE, "acme", ACME)


@pytest.mark.parametrize("role", ["admin", "operator", "auditor"])
def test_a_platform_role_sees_every_tenant(role: str) -> None:
    authorize(principal(platform_role=role), permissions.TENANTS_READ, "other", FOREIGN)


def test_an_auditor_may_read_and_is_refused_to_write() -> None:
    with pytest.raises(ForbiddenError):
        authorize(principal(platform_role="auditor"), permissions.MODELS_WRITE, "other", FOREIGN)


def test_the_highest_of_all_origins_wins() -> None:
    caller = principal(memberships={"uid-acme": "admin"})

    assert role_in(caller, ACME) == "admin"
    assert role_in(principal(memberships={"uid-acme": "viewer"}), ACME) == "developer"


def test_a_membership_belongs_to_the_tenant_id_and_not_to_its_name() -> None:
    recreated = tenant("acme", "uid-of-the-next-acme")

    assert role_in(principal(memberships={"uid-acme": "admin"}), recreated) is None


def test_an_adopted_tenant_keeps_its_first_tenant_id() -> None:
    adopted = tenant("acme", "new-uid")
    adopted["status"]["tenantID"] = "uid-acme"

    assert role_in(principal(memberships={"uid-acme": "admin"}), adopted) == "admin"


def test_before_the_operator_has_seen_a_tenant_its_uid_counts() -> None:
    fresh = tenant()
    del fresh["status"]

    assert role_in(principal(memberships={"uid-acme": "admin"}), fresh) == "admin"


def test_a_member_is_matched_by_kind_and_name() -> None:
    assert role_in(principal(kind="ServiceAccount"), ACME) is None


def test_an_api_key_has_the_scopes_that_its_owner_still_has() -> None:
    key = api_key(permissions.MODELS_READ, permissions.TENANTS_WRITE)

    assert tenant_permissions(key, ACME) == {permissions.MODELS_READ}


def test_an_api_key_lacking_a_scope_is_forbidden_and_not_lost() -> None:
    with pytest.raises(ForbiddenError):
        authorize(api_key(permissions.MODELS_READ), permissions.MODELS_WRITE, "acme", ACME)


def test_an_api_key_of_an_admin_is_blind_to_other_tenants() -> None:
    key = api_key(permissions.TENANTS_READ, platform_role="admin")

    with pytest.raises(NotFoundError):
        authorize(key, permissions.TENANTS_READ, "other", FOREIGN)


def test_an_api_key_does_not_survive_its_tenant() -> None:
    with pytest.raises(NotFoundError):
        authorize(
            api_key(permissions.MODELS_READ, platform_role="admin"),
            permissions.MODELS_READ,
            "acme",
            tenant("acme", "uid-of-the-next-acme"),
        )


def test_an_api_key_of_an_admin_has_no_power_outside_its_tenant() -> None:
    key = api_key(permissions.USERS_READ, permissions.TENANTS_WRITE, platform_role="admin")

    for permission in (permissions.USERS_READ, permissions.TENANTS_WRITE):
        with pytest.raises(ForbiddenError):
            authorize(key, permission, None, None)
    authorize(key, permissions.SELF, None, None)


def test_a_key_whose_owner_left_the_tenant_sees_it_no_longer() -> None:
    with pytest.raises(NotFoundError):
        authorize(api_key(permissions.MODELS_READ), permissions.MODELS_READ, "acme", tenant())
