"""What the API server's refusals mean to a caller of ours; pure, so that each is a line of a test table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from moorage_api.errors import FieldError, ForbiddenError, InvalidFieldsError
from moorage_api.kube.transport import Answer
from moorage_crds.errors import (
    ConflictError,
    DeletionProtectedError,
    ManagedElsewhereError,
    MoorageError,
    NotFoundError,
    UnavailableError,
)

_MANAGER: Final = re.compile(r'conflict with "([^"]+)"')
_NOT_TYPED: Final = re.compile(r"failed to create typed patch object \(.*?\): (?P<field>\S+): (?P<rule>.+)", re.DOTALL)
_NAMES_ITS_FIELD: Final = re.compile(r"(?P<field>(?:spec|metadata)(?:\.\w+)+)\b")
"""Rules on the whole object carry no field; ours name it first in their message."""
_NO_FIELD: Final = "<nil>"
_PROTECTED: Final = re.compile(r"'moorage-tenant-protection' .*denied request: (?P<reason>.+)", re.DOTALL)
_UNCHECKED: Final = "some validation rules were not checked"


def error_of(answer: Answer) -> MoorageError:
    """Return the domain error of an answer from 400 up."""
    match answer.status:
        case HTTPStatus.CONFLICT:
            return _conflict(answer.body)
        case HTTPStatus.UNPROCESSABLE_ENTITY | HTTPStatus.BAD_REQUEST:
            return _invalid(answer.body)
        case HTTPStatus.NOT_FOUND:
            return _missing(answer.body)
        case HTTPStatus.FORBIDDEN:
            return _forbidden(answer.body)
        case HTTPStatus.INTERNAL_SERVER_ERROR if (typed := _NOT_TYPED.match(_message(answer.body))) is not None:
            # Server-side apply answers 500 where the request is at fault: unknown field, duplicate list key.
            return _invalid_fields([FieldError(typed["field"].lstrip("."), typed["rule"])])
        case _:
            return UnavailableError(f"The Kubernetes API answered {answer.status}.")


def is_stale(answer: Answer) -> bool:
    """Whether the object moved between our read and our write; reading again may help."""
    if answer.status == HTTPStatus.CONFLICT:
        return not any(cause.get("reason") == "FieldManagerConflict" for cause in _causes(answer.body))
    # An apply that names another UID is told that the UID is immutable.
    fields = {cause.get("field") for cause in _causes(answer.body)}
    return answer.status == HTTPStatus.UNPROCESSABLE_ENTITY and fields == {"metadata.uid"}


def _message(body: dict[str, Any]) -> str:
    return str(body.get("message", ""))


def _causes(body: dict[str, Any]) -> list[dict[str, str]]:
    causes: list[dict[str, str]] = (body.get("details") or {}).get("causes") or []
    return causes


def _conflict(body: dict[str, Any]) -> MoorageError:
    owned = [cause for cause in _causes(body) if cause.get("reason") == "FieldManagerConflict"]
    if not owned:
        return ConflictError("The object exists or was changed by somebody else; read it again.")
    named = "; ".join(sorted({f"{_manager(each)} manages {each['field'].lstrip('.')}" for each in owned}))
    return ManagedElsewhereError(f"Another manager owns what this would change: {named}.")


def _manager(cause: dict[str, str]) -> str:
    match = _MANAGER.search(cause.get("message", ""))
    return match[1] if match else "another manager"


def _invalid(body: dict[str, Any]) -> MoorageError:
    protected = _PROTECTED.search(_message(body))
    if protected is not None:
        return DeletionProtectedError(f"Kubernetes refuses the deletion: {protected['reason']}.")
    fields = list(dict.fromkeys(_field_errors(body)))
    return _invalid_fields(fields or [FieldError("", _message(body))])


def _invalid_fields(fields: list[FieldError]) -> InvalidFieldsError:
    named = "; ".join(f"{each.field}: {each.rule}" if each.field else each.rule for each in fields)
    return InvalidFieldsError(f"Kubernetes refuses the object: {named}", tuple(fields))


def _field_errors(body: dict[str, Any]) -> Iterator[FieldError]:
    for cause in _causes(body):
        rule = cause.get("message", "").removeprefix("Invalid value: ")
        if _UNCHECKED in rule:
            continue
        yield FieldError(_field(cause.get("field", _NO_FIELD), rule), rule)


def _field(field: str, rule: str) -> str:
    if field != _NO_FIELD:
        return field
    match = _NAMES_ITS_FIELD.match(rule)
    return match["field"] if match else ""


def _missing(body: dict[str, Any]) -> MoorageError:
    if (body.get("details") or {}).get("kind") == "namespaces":
        return UnavailableError("The tenant's namespace is not there yet.")
    return NotFoundError("There is no such object.")


def _forbidden(body: dict[str, Any]) -> MoorageError:
    message = _message(body)
    # Admission speaks to the user; missing rights of our own service account are ours to mend and not theirs to read.
    if "denied the request" in message or "denied request" in message or "being terminated" in message:
        return ForbiddenError(f"Kubernetes refuses the change: {message}")
    return UnavailableError("The API lacks the right to do this in the cluster.")
