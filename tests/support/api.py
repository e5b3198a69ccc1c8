"""The API in this process: real wiring, a temporary database, a clock that tests turn, and people with credentials."""

from __future__ import annotations

from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
from kubernetes.aio.client import ApiClient, Configuration

from moorage_api.api_keys import format as key_format
from moorage_api.api_keys.service import new_row
from moorage_api.app import create_app
from moorage_api.auth import repository as sessions
from moorage_api.auth import tokens
from moorage_api.auth.principal import tenant_id_of
from moorage_api.db.engine import Database
from moorage_api.db.models import Subject
from moorage_api.keyring import KEYS, Keyring
from moorage_api.services import Services, watching, wire
from moorage_api.settings import Settings
from moorage_api.users import repository as subjects

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fastapi import FastAPI
    from prometheus_client import CollectorRegistry

    from moorage_api.auth.principal import SubjectKind
    from moorage_crds.permissions import PlatformRole, TenantRole

Manifest = dict[str, Any]
KEYRING = Keyring(b"j" * 32, b"p" * 32, b"e" * 32)
PASSWORD = "correct horse battery"


@dataclass
class TurnedClock:
    """A clock that stands until a test turns it."""

    now: datetime = field(default_factory=lambda: datetime(2026, 11, 1, 12, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def turn(self, **by: float) -> None:
        """Let time pass."""
        self.now += timedelta(**by)


@dataclass(frozen=True)
class Api:
    """A running API and a client of it."""

    app: FastAPI
    services: Services
    client: httpx.AsyncClient
    clock: TurnedClock

    async def user(self, name: str, role: PlatformRole = "user", kind: SubjectKind = "User") -> Subject:
        """Make a subject without a password; much quicker than with one."""
        subject = subjects.new_subject(kind, name, role, self.clock())
        async with self.services.database.write() as sql:
            sql.add(subject)
        return subject

    async def user_with_password(self, name: str, role: PlatformRole = "user", origin: str = subjects.OWN) -> Subject:
        """Make a user whose password is ``PASSWORD``."""
        subject = subjects.new_subject("User", name, role, self.clock())
        subject.password_hash = await self.services.passwords.hash(PASSWORD)
        subject.password_origin = origin
        async with self.services.database.write() as sql:
            sql.add(subject)
        return subject

    async def signed_in(self, subject: Subject) -> dict[str, str]:
        """Return the headers of a new session."""
        now, life = self.clock(), timedelta(minutes=10)
        async with self.services.database.write() as sql:
            session = await sessions.open_session(sql, await subjects.get(sql, subject.id), now, now + life)
        return bearer(tokens.issue(subject.id, session, KEYRING.jwt_key, now, life))

    async def grant(self, subject: Subject, tenant: Manifest, role: TenantRole) -> None:
        """Give a subject a role in a tenant."""
        async with self.services.database.write() as sql:
            await subjects.grant(sql, tenant_id_of(tenant), subject.id, role, self.clock())
        self.services.authenticator.forget()

    async def api_key(self, subject: Subject, tenant: Manifest, *scopes: str) -> dict[str, str]:
        """Return the headers of a new API key that lives a day."""
        secret, now = key_format.generate(), self.clock()
        row = new_row(
            secret,
            KEYRING.pepper,
            tenant,
            subject_id=subject.id,
            name="test",
            scopes=scopes,
            now=now,
            expires_at=now + timedelta(days=1),
        )
        async with self.services.database.write() as sql:
            sql.add(row)
        return bearer(secret.text)


def bearer(credential: str) -> dict[str, str]:
    """Return the header that carries a credential."""
    return {"Authorization": f"Bearer {credential}"}


def write_secrets(folder: Path) -> Path:
    """Write the installation's secrets as they are mounted and return their folder."""
    folder.mkdir()
    for name in KEYS:
        (folder / name).write_text(name[0] * 40)
    return folder


def settings(folder: Path, **changes: Any) -> Settings:
    """Return settings with every path below ``folder``."""
    defaults: dict[str, Any] = {
        "database_url": f"sqlite+aiosqlite:///{folder}/moorage.db",
        "secrets_dir": folder / "secrets",
        "initial_admin_dir": folder / "initial-admin",
        "metrics_port": 0,
    }
    return Settings(**(defaults | changes))


@asynccontextmanager
async def nowhere() -> AsyncIterator[ApiClient]:
    """Yield a client of no API server: nothing of a unit test leaves the process."""
    async with ApiClient(Configuration(host="http://cluster.invalid")) as api:
        yield api


@asynccontextmanager
async def serving(configured: Settings, kubernetes: ApiClient, *, watch: bool) -> AsyncIterator[Api]:
    """Run the API; ``watch`` keeps its cache fed from the cluster, else tests feed it with ``observe``."""
    clock = TurnedClock()

    @asynccontextmanager
    async def factory(given: Settings, registry: CollectorRegistry) -> AsyncIterator[Services]:
        async with Database.open(given.database_url) as database:
            await database.migrate()
            services = wire(
                settings=given,
                secrets=KEYRING,
                registry=registry,
                database=database,
                kubernetes=kubernetes,
                now=clock,
            )
            async with watching(services.cache) if watch else nullcontext():
                yield services

    app = create_app(configured, factory=factory)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            yield Api(app, app.state.services, client, clock)


def tenant(name: str = "acme", uid: str = "uid-acme", **spec: Any) -> Manifest:
    """Return a Tenant manifest as the API server would send it, its namespace made."""
    return {
        "apiVersion": "moorage.dev/v1alpha1",
        "kind": "Tenant",
        "metadata": {
            "name": name,
            "uid": uid,
            "generation": 1,
            "resourceVersion": "1",
            "creationTimestamp": "2026-11-01T12:00:00Z",
        },
        "spec": spec,
        "status": {"tenantID": uid, "namespace": f"tenant-{name}"},
    }
