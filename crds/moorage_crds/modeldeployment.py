"""The ModelDeployment: a model that the tenant's Triton shall serve, declared in the tenant's namespace."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, JsonValue

from moorage_crds.modelconfig import CONFIG_RULES, Config, ModelName
from moorage_crds.names import MODEL_NAME_MAX
from moorage_crds.rollout import ROLLOUT_RULES, Rollout
from moorage_crds.schema import DNS_LABEL, Condition, Schema, SecretReference

INLINE_FILES_MAX = 64
INLINE_BYTES_MAX = 128 * 1024
"""Total of an inline source; above about 256 KiB client-side apply fails on its own annotation."""

_URI = r"^(https://[^\s]+|s3://[a-z0-9][-.a-z0-9]{1,61}[a-z0-9]/[^\s]+|pvc://[a-z0-9]([-.a-z0-9]*[a-z0-9])?/[^\s]*)$"
_SHA256 = r"^[0-9a-f]{64}$"


_PATH_STAYS_INSIDE = (
    "!p.startsWith('/') && !p.contains('\\\\') && p.split('/').all(s, s != '' && s != '.' && s != '..')"
)
SOURCE_RULES: list[JsonValue] = [
    {
        "rule": "has(self.uri) != has(self.inline)",
        "message": "exactly one of spec.source.uri and spec.source.inline must be set",
    },
    {
        "rule": "!has(self.sha256) || has(self.uri)",
        "message": "spec.source.sha256 goes with spec.source.uri",
    },
    {
        "rule": "!has(self.uri) || has(self.sha256) || !self.uri.startsWith('https://')",
        "message": "spec.source.sha256 is required with an https:// spec.source.uri",
    },
    {
        "rule": "!has(self.s3) || has(self.uri) && self.uri.startsWith('s3://')",
        "message": "spec.source.s3 goes with an s3:// spec.source.uri",
    },
    {
        "rule": "!has(self.credentialsSecretRef) || has(self.uri) && !self.uri.startsWith('pvc://')",
        "message": "spec.source.credentialsSecretRef goes with an https:// or s3:// spec.source.uri",
    },
    {
        "rule": f"!has(self.inline) || self.inline.files.all(p, {_PATH_STAYS_INSIDE})",
        "message": "paths of spec.source.inline.files must be relative and stay inside the model's folder",
    },
    {
        "rule": (
            f"!has(self.inline) || self.inline.files.map(p, self.inline.files[p].size()).sum() <= {INLINE_BYTES_MAX}"
        ),
        "message": f"spec.source.inline.files must not exceed {INLINE_BYTES_MAX} characters in total",
    },
]
"""CEL rules of ``Source`` that its field types cannot say."""


class Inline(Schema):
    """Files written in the resource itself; for small models and examples."""

    files: Annotated[
        dict[str, Annotated[str, Field(max_length=INLINE_BYTES_MAX)]],
        Field(min_length=1, max_length=INLINE_FILES_MAX),
    ]
    """Text of each file by its path inside the model's folder, such as ``1/model.py``."""


class ObjectStore(Schema):
    """Where an ``s3://`` source is served."""

    endpoint: Annotated[str, Field(pattern=r"^https://[^\s/?#@]+$", max_length=255)] | None = None
    """``https://`` address of an S3-compatible server, without a path; absent means AWS."""
    region: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)] = "us-east-1"
    """Region that requests are signed for."""
    addressing: Literal["Path", "VirtualHost"] = "Path"
    """Where a request has the bucket's name: in its path, or before the host."""


class Source(Schema):
    """Where the model's files come from; exactly one of ``uri`` and ``inline``."""

    uri: Annotated[str, Field(pattern=_URI, max_length=2048)] | None = None
    """``https://``, ``s3://bucket/key`` or ``pvc://claim/path`` of an archive (tar, tar.gz, zip) or of one model file;
    the latter two also of a folder."""
    s3: ObjectStore | None = None
    """Where an ``s3://`` source is served."""
    inline: Inline | None = None
    """Files written in the resource itself."""
    sha256: Annotated[str, Field(pattern=_SHA256, max_length=64)] | None = None
    """SHA-256 of the file at ``uri``, hex; required with ``https://``, absent for a folder."""
    credentials_secret_ref: SecretReference | None = None
    """Secret that ``uri`` is fetched with; makes no new revision."""


class ModelDeploymentSpec(Schema):
    """What the model shall be."""

    source: Annotated[Source, Field(json_schema_extra={"x-kubernetes-validations": SOURCE_RULES})] | None = None
    """Where the model's files come from; only an ensemble needs none."""
    backend: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=63)] = "python"
    """Triton backend that runs the model, such as ``onnxruntime`` or ``python``."""
    config: Annotated[Config, Field(json_schema_extra={"x-kubernetes-validations": CONFIG_RULES})] = Config()
    """What becomes the model's ``config.pbtxt``."""
    depends_on: list[ModelName] = Field(default=[], max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"})
    """Models of the same tenant that this one calls, besides the steps of its ensemble."""
    rollout: Annotated[Rollout, Field(json_schema_extra={"x-kubernetes-validations": ROLLOUT_RULES})] = Rollout()
    """How traffic moves to a new revision; makes no revision itself."""
    revision_history_limit: Annotated[int, Field(ge=0, le=50)] = 5
    """How many revisions that serve nothing are kept for a rollback."""


class TrafficTarget(Schema):
    """A share of the model's requests."""

    revision: str
    """Revision hash, 8 hex digits."""
    triton_name: str
    """Name under which Triton serves the revision."""
    weight: Annotated[int, Field(ge=0, le=100)]
    """Share in percent; the weights of a model add up to 100."""


class ModelStates(Schema):
    """State of the serving and of the wanted revision."""

    active_model_state: Literal["Pending", "Loading", "Loaded", "FailedToLoad"] | None = None
    """State of the revision that serves."""
    target_model_state: Literal["Pending", "Loading", "Loaded", "FailedToLoad"]
    """State of the revision that the spec asks for."""


class FailureInfo(Schema):
    """The last failure of a revision."""

    reason: str
    """One of ``moorage_crds.conditions.REASONS``."""
    message: str
    """The fetcher's or Triton's own words."""
    model_revision_name: str
    """Revision hash that failed."""
    location: str | None = None
    """Pod on which it failed; absent for a revision that was rejected."""


class ModelCopies(Schema):
    """Replicas that hold the wanted revision."""

    failed_copies: int = 0
    """Ready pods on which it failed."""
    total_copies: int = 0
    """Ready pods that hold it."""


class ModelStatusBlock(Schema):
    """State in the words that KServe introduced."""

    transition_status: Literal["UpToDate", "InProgress", "BlockedByFailedLoad", "InvalidSpec"]
    """Where the change from the old revision to the new one stands."""
    states: ModelStates
    """State of the serving and of the wanted revision."""
    last_failure_info: FailureInfo | None = None
    """The last failure; absent when there is none."""
    copies: ModelCopies
    """Replicas that hold the wanted revision."""


class KeptRevision(Schema):
    """A revision that is kept, so that a rollback may name it."""

    name: Annotated[str, Field(max_length=64)]
    """Revision hash, 8 hex digits."""
    number: int
    """Grows each time the spec asks for another revision."""
    promoted_at: str | None = None
    """RFC 3339 time at which it last became stable; absent when it never did."""
    rejected: Annotated[str, Field(max_length=64)] | None = None
    """Reason why it shall not serve; absent when nothing speaks against it."""


class ReplicaRevision(Schema):
    """What one replica says of one revision."""

    name: Annotated[str, Field(max_length=64)]
    """Revision hash, 8 hex digits."""
    state: Literal["Fetching", "Loading", "Loaded", "FetchFailed", "LoadFailed", "Unloading"]
    """Where the replica stands with it."""
    reason: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z]*$", max_length=64)] | None = None
    """Why it failed, in one word, where that is more than ``state`` says."""
    source_digest: Annotated[str, Field(pattern=_SHA256, max_length=64)] | None = None
    """Manifest digest of the folder it was fetched from; absent where the source is none."""
    message: Annotated[str, Field(max_length=4096)] | None = None
    """Why it failed, in the fetcher's or Triton's own words."""


class Replica(Schema):
    """What one Triton pod holds; written by that pod's agent alone."""

    pod: Annotated[str, Field(max_length=253)]
    """Pod name."""
    pod_uid: str = Field(alias="podUID", max_length=64)
    """Pod UID; the gateway routes by it, never by an address from here."""
    revisions: list[ReplicaRevision] = Field(
        default=[],
        max_length=64,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    """What the replica says of each revision."""
    last_change_time: str
    """RFC 3339 time at which the entry last changed."""


class ModelDeploymentStatus(Schema):
    """What the model is: written by the operator, but ``replicas``, written by the agents."""

    observed_generation: int | None = None
    """Generation of the spec that the status speaks of."""
    conditions: list[Condition] | None = Field(
        default=None,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    """Ready, Reconciling, Stalled."""
    url: str | None = None
    """Path of the model in the API."""
    stable_revision: str | None = None
    """Revision that serves, or served until ``Recreate`` took it away."""
    previous_revision: str | None = None
    """Revision that served before and is still kept; what a rollback goes back to."""
    candidate_revision: str | None = None
    """Revision that shall serve next; absent when there is none."""
    revisions: list[KeptRevision] | None = Field(default=None, json_schema_extra={"x-kubernetes-list-type": "atomic"})
    """Revisions that are kept, the newest first."""
    traffic: list[TrafficTarget] | None = Field(default=None, json_schema_extra={"x-kubernetes-list-type": "atomic"})
    """Revisions that the gateway routes the model's name to, the stable one first."""
    model_status: ModelStatusBlock | None = None
    """State in the words that KServe introduced."""
    replicas: list[Replica] | None = Field(
        default=None,
        max_length=128,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["pod"]},
    )
    """What each Triton pod holds; each entry is written by that pod's agent."""


class ModelDeployment(Schema):
    """ModelDeployment makes the tenant's Triton serve a model and the API answer for it under its name."""

    PLURAL: ClassVar = "modeldeployments"
    KIND: ClassVar = "ModelDeployment"
    SHORT_NAME: ClassVar = "md"
    SCOPE: ClassVar = "Namespaced"
    RULES: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            (
                f"self.metadata.name.size() <= {MODEL_NAME_MAX} && self.metadata.name.matches('{DNS_LABEL}') && "
                "!self.metadata.name.contains('--')"
            ),
            f"metadata.name must be a DNS label of at most {MODEL_NAME_MAX} characters without '--'",
        ),
        (
            "has(self.spec.source) || self.spec.backend == 'ensemble'",
            "spec.source must be set, but for backend ensemble",
        ),
        (
            "!has(self.spec.config.steps) || self.spec.config.steps.size() == 0 || self.spec.backend == 'ensemble'",
            "spec.config.steps go with backend ensemble",
        ),
        (
            (
                "self.spec.backend != 'ensemble' || (!has(self.spec.config.dynamicBatching) && "
                "!has(self.spec.config.sequenceBatching) && self.spec.config.instanceGroups.size() == 0)"
            ),
            "backend ensemble takes no instanceGroups, dynamicBatching or sequenceBatching; its steps do",
        ),
        (
            (
                "!(self.metadata.name in self.spec.dependsOn) && "
                "(!has(self.spec.config.steps) || self.spec.config.steps.all(s, s.model != self.metadata.name))"
            ),
            "a model must not depend on itself",
        ),
    )
    COLUMNS: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
        ("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason'),
        ("Stable", "string", ".status.stableRevision"),
        ("Candidate", "string", ".status.candidateRevision"),
        ("Canary", "integer", ".status.traffic[1].weight"),
        ("Age", "date", ".metadata.creationTimestamp"),
    )

    spec: ModelDeploymentSpec
    """What the model shall be."""
    status: ModelDeploymentStatus | None = None
    """What the model is."""


def parse_spec(manifest: dict[str, Any]) -> ModelDeploymentSpec:
    """Return the spec of a ModelDeployment manifest, defaults filled in; raises pydantic.ValidationError."""
    return ModelDeploymentSpec.from_manifest(manifest["spec"])
