"""Entity tags of Kubernetes objects: ``"<uid>.<generation>"``.

Never the resourceVersion: each status write moves it, and every edit in a browser would fail with 412.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moorage_api.errors import PreconditionFailedError


def etag(manifest: Mapping[str, Any]) -> str:
    """Return the entity tag of an object, quotes included."""
    metadata = manifest["metadata"]
    return f'"{metadata["uid"]}.{metadata["generation"]}"'


def check(if_match: str | None, manifest: Mapping[str, Any]) -> None:
    """Raise PreconditionFailedError unless ``If-Match`` (absent, ``*`` or a list of tags) fits the object.

    Weak tags never match, as RFC 9110 says of this header.
    """
    if if_match is None or if_match.strip() == "*":
        return
    if etag(manifest) not in {each.strip() for each in if_match.split(",")}:
        raise PreconditionFailedError(f"The object has changed; it is {etag(manifest)} now.")
