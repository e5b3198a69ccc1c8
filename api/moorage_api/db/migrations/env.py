"""Alembic's entry: runs on the connection it is given; there is no command line beside ours."""

from alembic import context

from moorage_api.db.models import Base

connection = context.config.attributes["connection"]
# Batch mode: SQLite cannot alter a column, so Alembic copies the table.
context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
