"""The tenant's Secret: made once, read by nobody here.

Separate because it is the one child that is never applied: a second write would take keys away that pods hold.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from moorage_crds import names
from moorage_operator.reconcile.identity import identify
from moorage_operator.reconcile.world import Manifest
from moorage_templates import CredentialsContext, render

KEYS = (names.INFERENCE_KEY, names.MANAGEMENT_KEY, names.WEAVIATE_KEY)

_KEY_BYTES = 32


def new_key() -> str:
    """Return a fresh random key that fits HTTP headers and command lines."""
    return secrets.token_urlsafe(_KEY_BYTES)


def secret(tenant: str, namespace: str, make_key: Callable[[], str]) -> dict[str, Any]:
    """Return the Secret with a key from ``make_key`` for each of ``KEYS``."""
    data = {key: b64encode(make_key().encode()).decode() for key in KEYS}
    (manifest,) = render("credentials", CredentialsContext(data=data))
    return identify(manifest, tenant, namespace)


def missing_keys(observed: Manifest) -> tuple[str, ...]:
    """Return the keys that the workloads need and the Secret lacks."""
    data = observed.get("data") or {}
    return tuple(key for key in KEYS if not data.get(key))
