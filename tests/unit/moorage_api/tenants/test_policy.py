"""Who may change which field, and when a tenant's namespace counts."""

from __future__ import annotations

from typing import get_args

import pytest

from moorage_api.auth.principal import Principal, authorize
from moorage_api.auth.routing import permission_of
from moorage_api.errors import ForbiddenError
from moorage_api.tenants import policy
from moorage_api.tenants.endpoints import replace_tenant
from moorage_crds.errors import NotFoundError, UnavailableError
from moorage_crds.owners import owner_of
from moorage_crds.permissions import PlatformRole, TenantRole
from moorage_crds.tenant import TenantSpec
from tests.support.api import tenant
from tests.support.tenant_fields import BESIDE, VALUES, spec_with

MEMBERS = [{"kind": "User", "name": role, "role": role} for role in get_args(TenantRole)]
ROLES = [*((role, "user") for role in get_args(TenantRole)), *(("nobody", role) for role in get_args(PlatformRole))]
ALL = {("nobody", "admin"), ("nobody", "operator")}
OWN = {("admin", "user")}


def may_change(subject: str, platform_role: PlatformRole, path: str) -> bool:
    """Tell whether the route and its policy let a caller change one field."""
    caller = Principal(subject, "User", platform_role, "session")
    before = tenant(members=MEMBERS, **BESIDE.get(path, {}))
    given = [*MEMBERS, *VALUES[path][0]] if path == "members" else VALUES[path][0]
    wanted = TenantSpec.model_validate(spec_with(path, given, before["spec"]))
    permission = permission_of(replace_tenant)
    assert permission
    try:
        authorize(caller, permission, "acme", before)
        if not policy.may_change_all(caller, before):
            policy.check_change(before, wanted)
    except NotFoundError:
        return False
    except ForbiddenError as error:
        assert permission in str(error) or names(str(error), path)  # noqa: PT017 - a refusal is one of two outcomes
        return False
    return True


def names(message: str, path: str) -> bool:
    """Tell whether a message names the field, one of its keys, or what it is a part of and was absent."""
    named = message.partition(":")[0].rpartition(" ")[2].removeprefix("spec.")
    return f"{path}.".startswith(f"{named}.") or named.startswith(f"{path}.")


@pytest.mark.parametrize("path", VALUES)
@pytest.mark.parametrize(("subject", "platform_role"), ROLES, ids=lambda role: role)
def test_a_role_changes_the_fields_that_its_owner_may(subject: str, platform_role: PlatformRole, path: str) -> None:
    role = (subject, platform_role)
    assert may_change(*role, path) is (role in ALL or (role in OWN and owner_of(path) == "tenant"))


def test_a_spec_sent_back_as_it_was_read_changes_nothing() -> None:
    before = tenant(members=MEMBERS, quota={"cpu": "4"})
    policy.check_change(before, TenantSpec.model_validate(before["spec"]))


def test_a_platform_field_left_out_returns_to_its_default_and_is_therefore_a_change() -> None:
    with pytest.raises(ForbiddenError, match=r"spec\.quota\.cpu, spec\.quota\.pods:"):
        policy.check_change(tenant(quota={"cpu": "4", "pods": 3}), TenantSpec())


def test_a_tenant_with_its_id_has_its_namespace() -> None:
    policy.check_namespace(tenant())


def test_a_tenant_the_operator_has_not_seen_has_none() -> None:
    fresh = tenant()
    del fresh["status"]

    with pytest.raises(UnavailableError):
        policy.check_namespace(fresh)


def test_a_foreign_namespace_is_not_written_to() -> None:
    foreign = tenant()
    foreign["status"]["conditions"] = [{"type": "Ready", "status": "False", "reason": "NamespaceForeign"}]

    with pytest.raises(UnavailableError):
        policy.check_namespace(foreign)
