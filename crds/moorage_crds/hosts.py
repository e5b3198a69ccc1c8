"""The hosts that a Secret may be sent to, as its annotation ``labels.HOSTS`` names them.

Separate because two programs send Secrets outside, agents to sources and the API to vector stores, and must read the
same annotation alike: it is the fence around somebody's password.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from moorage_crds import labels

if TYPE_CHECKING:
    from collections.abc import Mapping

HTTPS_PORT: Final = 443


def allowed(secret: Mapping[str, Any]) -> frozenset[str]:
    """Return the hosts that a Secret's annotation names, each as ``named`` writes it; none without the annotation."""
    text: str = (secret["metadata"].get("annotations") or {}).get(labels.HOSTS, "")
    parts = (part.strip().lower() for part in text.split(","))
    return frozenset(part.removesuffix(f":{HTTPS_PORT}") for part in parts if part)


def named(host: str, port: int | None) -> str:
    """Return how the annotation names a host: with its port unless that is 443."""
    return host if port == HTTPS_PORT else f"{host}:{port}"
