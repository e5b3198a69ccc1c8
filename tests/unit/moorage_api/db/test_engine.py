"""Transactions on SQLite: writers wait for each other, readers for nobody, and a failure leaves nothing behind."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from moorage_api.db.engine import Database
from moorage_api.db.models import Membership
from moorage_api.users import repository

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database.open(f"sqlite+aiosqlite:///{tmp_path}/moorage.db") as database:
        await database.migrate()
        yield database


async def add(database: Database, name: str) -> None:
    async with database.write() as sql:
        await repository.has_users(sql)  # a read first: without a lock from the start, the write would fail at once
        sql.add(repository.new_subject("User", name, "user", NOW))


async def names(database: Database) -> list[str]:
    async with database.read() as sql:
        return [each.name for each in await repository.page_of_users(sql, "", 100)]


async def test_many_writers_all_succeed(database: Database) -> None:
    await asyncio.gather(*(add(database, f"user-{number}") for number in range(12)))

    assert len(await names(database)) == 12


async def test_a_reader_does_not_wait_for_a_writer(database: Database) -> None:
    async with database.write() as sql:
        sql.add(repository.new_subject("User", "alice", "user", NOW))
        await sql.flush()
        assert await names(database) == []

    assert await names(database) == ["alice"]


async def test_an_exception_undoes_the_transaction(database: Database) -> None:
    async def fail() -> None:
        async with database.write() as sql:
            sql.add(repository.new_subject("User", "alice", "user", NOW))
            await sql.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await names(database) == []


async def test_a_name_is_unique_within_its_kind(database: Database) -> None:
    await add(database, "alice")
    async with database.write() as sql:
        sql.add(repository.new_subject("ServiceAccount", "alice", "user", NOW))
    with pytest.raises(IntegrityError):
        await add(database, "alice")


async def test_the_database_itself_refuses_a_name_in_capitals(database: Database) -> None:
    with pytest.raises(IntegrityError):
        await add(database, "Alice")


async def test_foreign_keys_are_enforced(database: Database) -> None:
    with pytest.raises(IntegrityError):
        async with database.write() as sql:
            sql.add(Membership(tenant_id="t", subject_id="nobody", role="admin", created_at=NOW))


async def test_times_come_back_in_utc(database: Database) -> None:
    await add(database, "alice")
    async with database.read() as sql:
        (alice,) = await repository.page_of_users(sql, "", 1)

    assert alice.created_at == NOW


async def test_the_journal_is_a_write_ahead_log(database: Database) -> None:
    async with database.read() as sql:
        assert (await sql.execute(text("PRAGMA journal_mode"))).scalar_one() == "wal"
