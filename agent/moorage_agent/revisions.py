"""A revision as the agent sees it: one ControllerRevision of the tenant namespace, read and checked.

Separate because everything the agent does is decided by these few fields; the snapshot itself, which may hold
128 KiB of files, is kept for wanted revisions alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from moorage_agent.errors import FetchError
from moorage_crds import labels, names
from moorage_crds.revision import hash8
from moorage_crds.schema import DNS_LABEL

if TYPE_CHECKING:
    from collections.abc import Mapping

_HASH = re.compile(r"[0-9a-f]{8}")
_MODEL = re.compile(DNS_LABEL)


@dataclass(frozen=True, slots=True)
class Revision:
    """What the operator says of one revision."""

    model: str
    """Name of the ModelDeployment."""
    hash: str
    """Revision hash, 8 hex digits; also the stamp in the model's configuration."""
    version: str
    """``uid/resourceVersion`` of the ControllerRevision: a failure counts until this changes."""
    intent: str | None
    """``labels.WANTED``, ``labels.DRAINING``, or None for history."""
    promoted: bool
    """It has been stable: every ready pod loaded it, so Triton may load it unattended at start."""
    data: Mapping[str, Any] | None = field(default=None, repr=False)
    """The snapshot, for wanted revisions."""
    credentials: str | None = None
    """Name of the Secret that its source is fetched with."""
    digest: str | None = None
    """Manifest digest that its folder must have, None until the first one was recorded."""
    egress: str = ""
    """Ranges that its source may lead to although they are not public, comma between."""
    needs: Mapping[str, str] = field(default_factory=dict)
    """Revision hash of each model that this one calls, by the model's name."""

    @property
    def triton_name(self) -> str:
        """Return the name under which Triton serves it, and of its folder."""
        return names.triton_name(self.model, self.hash)

    @property
    def called(self) -> dict[str, str]:
        """Return the Triton name of each model that this one calls, by the model's name."""
        return {model: names.triton_name(model, needed) for model, needed in self.needs.items()}

    def snapshot(self) -> Mapping[str, Any]:
        """Return the snapshot, proven to be the one that the revision is named after; raises FetchError."""
        if self.data is None or hash8(self.data) != self.hash:
            raise FetchError(f"the data of ControllerRevision {self.model}-{self.hash} do not hash to {self.hash}")
        return self.data


def parse(manifest: Mapping[str, Any]) -> Revision | None:
    """Return the revision of a ControllerRevision, or None when it is none of Moorage's.

    Model and hash become a folder's name: what is not exactly a derived name is not looked at further.
    """
    meta = manifest["metadata"]
    annotations = meta.get("annotations") or {}
    model = (meta.get("labels") or {}).get(labels.MODEL, "")
    suffix = meta["name"].removeprefix(f"{model}-")
    if not _is_model(model) or not _HASH.fullmatch(suffix) or meta["name"] != names.controller_revision(model, suffix):
        return None
    intent = annotations.get(labels.INTENT)
    return Revision(
        model=model,
        hash=suffix,
        version=f"{meta['uid']}/{meta['resourceVersion']}",
        intent=intent if intent in (labels.WANTED, labels.DRAINING) else None,
        promoted=labels.PROMOTED_AT in annotations,
        data=manifest.get("data") if intent == labels.WANTED else None,
        credentials=annotations.get(labels.CREDENTIALS_FROM),
        digest=annotations.get(labels.SOURCE_DIGEST),
        egress=annotations.get(labels.EGRESS_CIDRS, ""),
        needs=_needs(manifest.get("data") or {}),
    )


def _needs(data: Mapping[str, Any]) -> dict[str, str]:
    """Return what a snapshot is built on; a name that is none could never be loaded and is left out."""
    found: Mapping[str, str] = data.get("dependencies") or {}
    return {model: needed for model, needed in found.items() if _is_model(model) and _HASH.fullmatch(needed)}


def _is_model(name: str) -> bool:
    return bool(_MODEL.fullmatch(name)) and "--" not in name and len(name) <= names.MODEL_NAME_MAX
