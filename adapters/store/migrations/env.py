"""Alembic's entry point. `adapters/store/migrate.py` hands it an open connection; there is no offline mode."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from adapters.store.schema import metadata

connection: Connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
with context.begin_transaction():
    context.run_migrations()
