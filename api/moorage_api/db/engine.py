"""Connections and transactions: SQLite in WAL, one writer at a time, and nobody waits for ever.

Reads and writes are separate doors. On SQLite a transaction that reads first and writes later fails at once when
another has written in between, whatever the busy timeout; a writer therefore takes the lock when it begins.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from sqlalchemy import Connection, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from moorage_api.db import schema

_BUSY_MILLISECONDS: Final = 5000
_WRITES: Final = {"moorage_writes": True}


class Database:
    """The database of one process."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator[Database]:
        """Open the database of a URL; nothing is read before the first transaction."""
        # A failed statement is logged; its parameters are hashes, digests and names.
        engine = create_async_engine(url, hide_parameters=True)
        if make_url(url).get_backend_name() == "sqlite":
            _prepare_sqlite(engine)
        try:
            yield cls(engine)
        finally:
            await engine.dispose()

    async def migrate(self) -> None:
        """Bring the tables up to date; of several processes one does it while the others wait."""
        if self._engine.dialect.name == "sqlite":
            await _switch_to_wal(self._engine)
        async with self._engine.connect() as connection:
            writer = await connection.execution_options(**_WRITES)
            async with writer.begin():
                await writer.run_sync(schema.upgrade)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Open a transaction that only reads."""
        async with AsyncSession(self._engine, expire_on_commit=False) as session:
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """Open a transaction that writes; commits at the end, rolls back on any exception."""
        async with AsyncSession(self._engine, expire_on_commit=False) as session, session.begin():
            await session.connection(execution_options=_WRITES)
            yield session

    async def ping(self) -> None:
        """Raise when the database does not answer."""
        async with self.read() as session:
            await session.execute(text("SELECT 1"))


async def _switch_to_wal(engine: AsyncEngine) -> None:
    """Write WAL into the file, where it stays; raises sqlite3.OperationalError when it is locked for too long.

    Of two connections that switch together SQLite refuses one at once, since each might wait for the other: the busy
    timeout does not hold here (https://sqlite.org/c3ref/busy_handler.html).
    """
    deadline = asyncio.get_running_loop().time() + _BUSY_MILLISECONDS / 1000
    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        while True:
            try:
                await driver.execute_fetchall("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(random.uniform(0.001, 0.02))  # noqa: S311 - spreads contenders, protects nothing
            else:
                return


def _prepare_sqlite(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        # The driver would begin transactions by itself, and not before the first write; we say when.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("moorage_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
