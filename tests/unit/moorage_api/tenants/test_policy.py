"""A tenant's namespace counts once the operator says it is the tenant's own."""

from __future__ import annotations

import pytest

from moorage_api.tenants import policy
from moorage_crds.errors import UnavailableError
from tests.support.api import tenant


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
