"""Rules about people that a permission alone does not express."""

from __future__ import annotations

from moorage_api.db.models import Subject
from moorage_crds.errors import ConflictError


def check_disable(subject: Subject, enabled_admins: int) -> None:
    """Raise ConflictError when nobody could administer the platform any more."""
    if subject.platform_role == "admin" and subject.disabled_at is None and enabled_admins <= 1:
        raise ConflictError("The last enabled admin cannot be disabled.")
