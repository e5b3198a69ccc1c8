"""``moorage-api bootstrap``: make the installation's secrets where there are none. Run before install and upgrade."""

from __future__ import annotations

import secrets
from typing import Final

from kubernetes.aio.client import ApiClient

from moorage_api import keyring
from moorage_api.auth import passwords
from moorage_api.kube import client, system_secrets
from moorage_api.settings import Settings

_KEY_BYTES: Final = 48
ADMIN: Final = "admin"
"""Name of the first user."""


async def run(settings: Settings) -> None:
    """Make what is missing; nothing is ever overwritten."""
    async with client.connect(settings) as api:
        await ensure_secrets(api, settings.system_namespace)


async def ensure_secrets(api: ApiClient, namespace: str) -> None:
    """Make the first user's password and then the keys.

    The keys come last and stand for the whole: once they are there, a missing ``moorage-initial-admin`` was deleted
    because its password is no longer in use, and must not come back.
    """
    if await system_secrets.exists(api, namespace, system_secrets.API_SECRETS):
        return
    first_user = {"username": ADMIN, "password": passwords.generate()}
    await system_secrets.create_if_absent(api, namespace, system_secrets.INITIAL_ADMIN, first_user)
    keys = {name: secrets.token_urlsafe(_KEY_BYTES) for name in keyring.KEYS}
    await system_secrets.create_if_absent(api, namespace, system_secrets.API_SECRETS, keys)
