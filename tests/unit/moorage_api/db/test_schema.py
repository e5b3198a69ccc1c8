"""Migrations lead to exactly the tables that the code expects, and only once."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from moorage_api.db.engine import Database
from moorage_api.db.models import Base

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection


def url(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder}/moorage.db"


def differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_server_default": True})
    return list(compare_metadata(context, Base.metadata))


async def test_the_migrations_and_the_models_agree(tmp_path: Path) -> None:
    async with Database.open(url(tmp_path)) as database:
        await database.migrate()
        async with database.read() as sql:
            found = await (await sql.connection()).run_sync(differences)

    assert found == []


async def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    async with Database.open(url(tmp_path)) as database:
        await database.migrate()
        await database.migrate()


@pytest.mark.parametrize("attempt", range(20))
async def test_processes_that_start_together_migrate_one_after_the_other(tmp_path: Path, attempt: int) -> None:
    folder = tmp_path / str(attempt)
    folder.mkdir()
    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(Database.open(url(folder))) for _ in range(3)]
        await asyncio.gather(*(each.migrate() for each in databases))
        async with databases[0].read() as sql:
            assert (await sql.execute(text("PRAGMA journal_mode"))).scalar_one() == "wal"
