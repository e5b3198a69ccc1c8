"""What the API server's refusals become; every body here was recorded from kube-apiserver 1.36.2."""

from __future__ import annotations

from typing import Any

import pytest

from moorage_api.errors import FieldError, ForbiddenError, InvalidFieldsError
from moorage_api.kube import refusals
from moorage_api.kube.transport import Answer
from moorage_crds.errors import (
    ConflictError,
    DeletionProtectedError,
    ManagedElsewhereError,
    NotFoundError,
    UnavailableError,
)


def answer(status: int, message: str, *causes: dict[str, str], kind: str = "Tenant") -> Answer:
    details: dict[str, Any] = {"name": "acme", "group": "moorage.dev", "kind": kind, "causes": list(causes)}
    return Answer(status, {"kind": "Status", "message": message, "details": details})


def cause(field: str, message: str, reason: str = "FieldValueInvalid") -> dict[str, str]:
    return {"reason": reason, "message": message, "field": field}


def fields(answered: Answer) -> list[FieldError]:
    error = refusals.error_of(answered)
    assert isinstance(error, InvalidFieldsError)
    return list(error.fields)


def test_a_conflict_of_managers_names_each_manager_and_field() -> None:
    error = refusals.error_of(
        answer(
            409,
            'Apply failed with 1 conflict: conflict with "flux": .spec.displayName',
            cause(".spec.displayName", 'conflict with "flux"', "FieldManagerConflict"),
        )
    )

    assert isinstance(error, ManagedElsewhereError)
    assert "flux manages spec.displayName" in str(error)


def test_a_conflict_of_versions_is_stale_and_one_of_managers_is_not() -> None:
    moved = answer(409, "Operation cannot be fulfilled: the object has been modified")
    owned = answer(409, "Apply failed", cause(".spec.x", 'conflict with "flux"', "FieldManagerConflict"))

    assert refusals.is_stale(moved)
    assert not refusals.is_stale(owned)
    assert type(refusals.error_of(moved)) is ConflictError


def test_an_apply_to_a_recreated_object_is_stale() -> None:
    immutable = cause("metadata.uid", 'Invalid value: "x": field is immutable')

    assert refusals.is_stale(answer(422, "invalid", immutable, immutable))
    assert not refusals.is_stale(answer(422, "invalid", immutable, cause("spec.quota.pods", "too small")))


def test_a_deletion_that_the_protection_policy_denies_has_its_own_code() -> None:
    reason = "tenant acme is protected: set spec.deletionProtection to false first"
    message = (
        "tenants.moorage.dev \"acme\" is forbidden: ValidatingAdmissionPolicy 'moorage-tenant-protection' with binding "
        f"'moorage-tenant-protection' denied request: {reason}"
    )
    error = refusals.error_of(answer(422, message, {"message": message}))

    assert isinstance(error, DeletionProtectedError)
    assert reason in str(error)


def test_a_schema_refusal_names_the_field() -> None:
    rule = "Invalid value: 0: spec.quota.pods in body should be greater than or equal to 1"
    unchecked = "Invalid value: null: some validation rules were not checked because the object was invalid"

    assert fields(answer(422, "x", cause("spec.quota.pods", rule), cause("<nil>", unchecked))) == [
        FieldError("spec.quota.pods", "0: spec.quota.pods in body should be greater than or equal to 1")
    ]


def test_a_rule_on_the_whole_object_names_the_field_it_begins_with() -> None:
    rule = "spec.vectorStore.storage cannot be changed after creation"

    assert fields(answer(422, "x", cause("<nil>", f"Invalid value: {rule}"))) == [
        FieldError("spec.vectorStore.storage", rule)
    ]


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        (".spec.nope: field not declared in schema", "spec.nope"),
        ('.spec.members: duplicate entries for key [kind="User",name="a"]', "spec.members"),
    ],
)
def test_what_apply_answers_with_500_is_the_request_s_fault(rule: str, field: str) -> None:
    message = f"failed to create typed patch object (/a2; moorage.dev/v1alpha1, Kind=Tenant): {rule}"

    assert [each.field for each in fields(Answer(500, {"message": message}))] == [field]


def test_any_other_500_is_not() -> None:
    assert isinstance(refusals.error_of(Answer(500, {"message": "etcdserver: timeout"})), UnavailableError)


def test_a_missing_namespace_may_come_and_a_missing_object_is_missing() -> None:
    missing = answer(404, 'namespaces "tenant-acme" not found', kind="namespaces")

    assert isinstance(refusals.error_of(missing), UnavailableError)
    assert isinstance(refusals.error_of(answer(404, "not found")), NotFoundError)


def test_admission_speaks_to_the_user() -> None:
    message = "ValidatingAdmissionPolicy 'p' with binding 'p' denied request: the tenant is protected"

    error = refusals.error_of(Answer(403, {"message": message}))
    assert isinstance(error, ForbiddenError)
    assert "protected" in str(error)


def test_our_own_lack_of_rights_is_not_for_the_user_to_read() -> None:
    message = 'tenants is forbidden: User "system:serviceaccount:moorage-system:moorage-api" cannot patch'

    error = refusals.error_of(Answer(403, {"message": message}))
    assert isinstance(error, UnavailableError)
    assert "serviceaccount" not in str(error)


@pytest.mark.parametrize("status", [401, 429, 502, 503, 504])
def test_everything_else_may_be_tried_again(status: int) -> None:
    assert isinstance(refusals.error_of(Answer(status, {})), UnavailableError)
