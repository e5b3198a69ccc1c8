"""``moorage-api migrate``: bring the tables up to date, as ``serve`` does at its start."""

from __future__ import annotations

from moorage_api.db.engine import Database
from moorage_api.settings import Settings


async def run(settings: Settings) -> None:
    """Migrate the database of the settings."""
    async with Database.open(settings.database_url) as database:
        await database.migrate()
