"""Names inside the vector store. They derive from the tenantID and the public name; a client never writes one.

A tenant that is made again under an old name has another tenantID, so it meets nothing of the old one.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Final

_NAMESPACE: Final = uuid.UUID("5f6b1a0e-6d0c-5b52-9a3e-2f7c1d4e8b90")
"""Arbitrary and for ever: changing it would lose every object."""
_SEPARATOR: Final = "\0"
"""Cannot stand in a tenantID or a collection's name, so no two different pairs read the same."""


def collection(tenant_id: str, name: str) -> str:
    """Return the physical name of a collection; it begins with a capital, as Weaviate's classes must."""
    digest = hashlib.sha256(_SEPARATOR.join((tenant_id, name)).encode()).hexdigest()
    return f"M{digest[:32]}"


def object_id(tenant_id: str, name: str, public_id: str) -> uuid.UUID:
    """Return the UUID of an object; the same id always gives the same one, which makes an upsert replace."""
    return uuid.uuid5(_NAMESPACE, _SEPARATOR.join((tenant_id, name, public_id)))
