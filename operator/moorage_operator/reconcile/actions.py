"""The writes a reconciliation asks for; the runtime executes them in order and stops at the first that fails.

Manifests stay out of ``repr``: one of them carries a tenant's credentials. Log ``action.key`` instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from moorage_crds import names
from moorage_crds.modeldeployment import ModelDeployment


def _key(verb: str, kind: str, namespace: str | None, name: str) -> str:
    return f"{verb} {kind} {namespace}/{name}" if namespace else f"{verb} {kind} {name}"


def _key_of(verb: str, manifest: Mapping[str, Any]) -> str:
    metadata = manifest["metadata"]
    return _key(verb, manifest["kind"], metadata.get("namespace"), metadata["name"])


@dataclass(frozen=True, slots=True)
class Create:
    """POST; 409 means that somebody else made it first: keep what is there and read again."""

    manifest: Mapping[str, Any] = field(repr=False)

    @property
    def key(self) -> str:
        """Return verb, kind and name, for logs."""
        return _key_of("create", self.manifest)


@dataclass(frozen=True, slots=True)
class Apply:
    """Forced server-side apply as ``names.FIELD_MANAGER``."""

    manifest: Mapping[str, Any] = field(repr=False)
    resource_version: str | None
    """Goes into ``metadata.resourceVersion`` of an update; None when the object is not there yet."""

    @property
    def key(self) -> str:
        """Return verb, kind and name, for logs."""
        return _key_of("apply", self.manifest)


@dataclass(frozen=True, slots=True)
class Delete:
    """DELETE with a UID precondition; 404 and a failed precondition both mean that it is gone."""

    kind: str
    namespace: str | None
    """None for a cluster-scoped object."""
    name: str
    uid: str
    api_version: str
    with_dependents: bool = False
    """The object stays until everything that it owns is gone."""
    orphans: bool = False
    """The object goes alone: what it owns runs on."""

    @property
    def key(self) -> str:
        """Return verb, kind and name, for logs."""
        return _key("delete", self.kind, self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class ApplyStatus:
    """Forced server-side apply of the status subresource of a Tenant or ModelDeployment (``API_VERSION``)."""

    kind: str
    namespace: str | None
    """None for a Tenant."""
    name: str
    status: Mapping[str, Any] = field(repr=False)
    resource_version: str | None = None
    """Goes into ``metadata.resourceVersion``; None when an earlier action of the pass writes the same object."""

    @property
    def key(self) -> str:
        """Return verb, kind and name, for logs."""
        return _key("apply status of", self.kind, self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class RemoveReplicaEntries:
    """JSON patch of a ModelDeployment's status subresource; a failed ``test`` means: read again, change nothing."""

    namespace: str
    model: str
    patch: tuple[Mapping[str, Any], ...]
    """Operations ``test`` and ``remove``, last entry first."""

    @property
    def key(self) -> str:
        """Return verb, kind and name, for logs."""
        return _key("remove replica entries of", ModelDeployment.KIND, self.namespace, self.model)


@dataclass(frozen=True, slots=True)
class ChangeCredentials:
    """JSON patch of a tenant's ``moorage-credentials``; a failed ``test`` means: read again, change nothing.

    The API server itself copies a key to where the previous one is kept, so nobody here ever sees its value.
    """

    namespace: str
    patch: tuple[Mapping[str, Any], ...] = field(repr=False)
    """Operations, the ``test`` of UID and resourceVersion first; they carry new keys."""

    @property
    def key(self) -> str:
        """Return verb, kind and name, for logs."""
        return _key("change", "Secret", self.namespace, names.CREDENTIALS)


@dataclass(frozen=True, slots=True)
class MakeStoreUser:
    """Make a user of the tenant's vector store, or a new key for one that is there, and put it into the Secret.

    Its key is made by the store, so ``patch`` lacks it: the runtime adds it. The store may fail, which is no failure of
    the API server and holds up nothing else.
    """

    namespace: str
    user: str
    is_only: bool
    """Nobody uses another user's key: the others go at once."""
    is_replicated: bool
    """The store has several nodes, which learn of users one after the other."""
    patch: tuple[Mapping[str, Any], ...] = field(repr=False)
    """Operations on ``moorage-credentials``, the ``test`` of UID and resourceVersion first."""

    @property
    def key(self) -> str:
        """Return verb, kind and name, for logs."""
        return _key("make", "store user", self.namespace, self.user)


@dataclass(frozen=True, slots=True)
class RemoveStoreUsers:
    """Remove every user of the tenant's vector store but one, then what the Secret holds of them."""

    namespace: str
    user: str
    """The one that stays."""
    patch: tuple[Mapping[str, Any], ...] = field(repr=False)
    """As in ``MakeStoreUser``, and complete."""

    @property
    def key(self) -> str:
        """Return verb, kind and name, for logs."""
        return _key("remove", "store users but", self.namespace, self.user)


@dataclass(frozen=True, slots=True)
class AddFinalizer:
    """Add ``labels.FINALIZER`` to a Tenant, guarded by UID and resourceVersion."""

    name: str
    uid: str
    resource_version: str

    @property
    def key(self) -> str:
        """Return verb, kind and name, for logs."""
        return _key("add finalizer to", "Tenant", None, self.name)


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """Remove ``labels.FINALIZER`` from a Tenant, guarded by UID and resourceVersion; 404 means that it is gone."""

    name: str
    uid: str
    resource_version: str

    @property
    def key(self) -> str:
        """Return verb, kind and name, for logs."""
        return _key("remove finalizer from", "Tenant", None, self.name)


@dataclass(frozen=True, slots=True)
class AwaitTurn:
    """No write: the workload shall have other pods, and has them when fewer tenants are being rolled."""

    kind: str
    namespace: str
    name: str

    @property
    def key(self) -> str:
        """Return verb, kind and name, for logs."""
        return _key("await the turn of", self.kind, self.namespace, self.name)


StoreUsers = MakeStoreUser | RemoveStoreUsers
"""What the runtime asks of a tenant's vector store before it writes the Secret."""

Write = (
    Create
    | Apply
    | Delete
    | ApplyStatus
    | RemoveReplicaEntries
    | ChangeCredentials
    | StoreUsers
    | AddFinalizer
    | RemoveFinalizer
)
"""What the runtime sends to the API server."""

Action = Write | AwaitTurn
