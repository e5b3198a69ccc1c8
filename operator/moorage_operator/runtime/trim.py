"""What is kept of an observed object.

Separate because it decides two things at once: the memory of a thousand tenants, and that no secret's value stays in
the process. Each function may change the object it is given, which was decoded for it alone.
"""

from __future__ import annotations

from typing import Any

from moorage_crds import names

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

_TOLD = ("type", "status", "reason", "message")

Manifest = dict[str, Any]


def plain(manifest: Manifest) -> Manifest:
    """Return an object without other managers' bookkeeping.

    Our own ``managedFields`` stay: they tell which fields we own and no longer want. So do those of whoever scaled it:
    they tell that the number of pods is theirs. kubectl's copy of what it applied goes, which would double a model with
    inline files.
    """
    metadata = manifest["metadata"]
    managed = [entry for entry in metadata.pop("managedFields", ()) if _is_telling(entry)]
    for entry in managed:
        entry.pop("time", None)
    if managed:
        metadata["managedFields"] = managed
    annotations = metadata.get("annotations")
    if annotations:
        annotations.pop(_LAST_APPLIED, None)
    return manifest


def secret(manifest: Manifest) -> Manifest:
    """Return a Secret with the names of its keys; a value becomes ``set`` or, when it was empty, stays empty."""
    present = {key: "set" if value else "" for key, value in (manifest.get("data") or {}).items()}
    kept: Manifest = {key: manifest[key] for key in ("apiVersion", "kind", "type") if key in manifest}
    return plain({**kept, "metadata": manifest["metadata"], "data": present})


def metadata_and_phase(manifest: Manifest) -> Manifest:
    """Return a Namespace, whose spec and conditions nobody asks for."""
    manifest.pop("spec", None)
    manifest["status"] = {"phase": manifest.get("status", {}).get("phase")}
    return plain(manifest)


def autoscaler(manifest: Manifest) -> Manifest:
    """Return a HorizontalPodAutoscaler without its figures, which change all the time."""
    given = manifest.get("status", {}).get("conditions") or ()
    told = [{key: one[key] for key in _TOLD if key in one} for one in given]
    manifest["status"] = {"conditions": told}
    return plain(manifest)


def _is_telling(entry: Manifest) -> bool:
    return entry.get("manager") == names.FIELD_MANAGER or entry.get("subresource") == "scale"
