"""Domain errors without a framework; each shell maps them to its own protocol.

``code`` is stable and public: it is the last part of a problem document's ``type``.
"""

from typing import ClassVar


class MoorageError(Exception):
    """Base of all domain errors; ``str(error)`` is a sentence fit for the user, without secrets."""

    code: ClassVar[str] = "internal"


class InvalidInputError(MoorageError):
    """A value breaks a rule; the message names field, expectation and what came."""

    code = "invalid-input"


class NotFoundError(MoorageError):
    """The object does not exist, or the caller may not know that it does."""

    code = "not-found"


class ConflictError(MoorageError):
    """The object exists or has changed since it was read."""

    code = "conflict"


class ManagedElsewhereError(ConflictError):
    """Another field manager owns a field of the change; the message names both."""

    code = "managed-elsewhere"


class DeletionProtectedError(ConflictError):
    """The tenant is protected from deletion; a person has to lift that first."""

    code = "deletion-protected"


class UnavailableError(MoorageError):
    """Something this call needs does not answer now; the call may be repeated."""

    code = "unavailable"


class TenantSuspendedError(UnavailableError):
    """The tenant is suspended; it answers once somebody resumes it."""

    code = "tenant-suspended"


class UnsafePathError(InvalidInputError):
    """A path of a model source leaves its folder."""

    code = "unsafe-path"
