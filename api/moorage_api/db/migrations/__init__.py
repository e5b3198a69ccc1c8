"""Alembic's folder: ``env`` is run by it, ``versions`` holds one file per change of the tables."""
