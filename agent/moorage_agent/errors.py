"""What can go wrong for a revision or a peer, each kind telling the sync loop what to do next."""

from __future__ import annotations

from typing import ClassVar

from moorage_crds.errors import InvalidInputError, MoorageError, UnavailableError


class FetchError(MoorageError):
    """The source could not be fetched; it is retried with back-off. The message is fit for status."""

    code: ClassVar[str] = "fetch-failed"
    reason: ClassVar[str] = "FetchFailed"
    """What status calls it, one of ``moorage_crds.conditions.REASONS``."""


class AddressRefusedError(FetchError):
    """The source, or where it redirects to, is not a place that a tenant's source may lead to."""

    code = "address-refused"
    reason = "AddressRefused"


class UnreachableError(FetchError):
    """The source's server does not resolve, connect, prove its name or deliver in time."""

    code = "source-unreachable"
    reason = "SourceUnreachable"


class SourceMissingError(FetchError):
    """There is nothing where the source points to."""

    code = "source-not-found"
    reason = "SourceNotFound"


class DeniedError(FetchError):
    """The source's server refused the credentials, or wants some."""

    code = "credentials-denied"
    reason = "CredentialsDenied"


class SecretNotUsableError(FetchError):
    """The Secret that the source names must not, or cannot, be sent to the source's server."""

    code = "secret-not-usable"
    reason = "SecretNotUsable"


class ChecksumError(FetchError):
    """The source is another than the spec promises."""

    code = "checksum-mismatch"
    reason = "ChecksumMismatch"


class SourceChangedError(FetchError):
    """A folder holds other files than when its revision was first fetched."""

    code = "source-changed"
    reason = "SourceChanged"


class ClaimNotMountedError(FetchError):
    """The source names a claim that the Tenant does not let its pods mount."""

    code = "claim-not-mounted"
    reason = "ClaimNotMounted"


class SourceInvalidError(FetchError):
    """The source's archive or folder is damaged, hostile or beyond a bound."""

    code = "source-invalid"
    reason = "SourceInvalid"


class NoRoomError(FetchError):
    """The model store has no room for the source."""

    code = "storage-full"
    reason = "StorageFull"


class ModelFilesError(InvalidInputError):
    """The fetched files are no model that Triton may be given."""

    code = "model-files"
    reason: ClassVar[str] = "ModelFilesInvalid"
    """What status calls it, one of ``moorage_crds.conditions.REASONS``."""


class ConfigError(ModelFilesError):
    """A part of the model's configuration is no configuration that Triton may be given."""

    code = "config-invalid"
    reason = "ConfigInvalid"


class WarmupError(MoorageError):
    """The model did not answer a warm-up request as its configuration says."""

    code = "warmup-failed"
    reason: ClassVar[str] = "WarmupFailed"
    """What status calls it, one of ``moorage_crds.conditions.REASONS``."""


class TritonRefusedError(MoorageError):
    """Triton refused the call; ``str(error)`` is Triton's own message, unchanged."""

    code = "triton-refused"


class TritonUnavailableError(UnavailableError):
    """Triton does not answer, or not with this key: the revision asked for is not to blame."""

    code = "triton-unavailable"


class TritonLostError(TritonUnavailableError):
    """Triton went away in the middle of the call: the revision may be to blame."""

    code = "triton-lost"


class KubeError(UnavailableError):
    """The API server refused the request or could not be reached; ``status`` is 0 without an answer."""

    code = "kube-unavailable"

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
