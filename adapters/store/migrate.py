"""Brings the tables to the newest revision, for `sluice migrate`; `revision.py` tells whether they are there.

Alembic is driven from code: no ini file, no machine path, the connection is ours.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, NullPool, text

from adapters.store.advisory_locks import AdvisoryLock
from adapters.store.database import engine_on, our_errors
from adapters.store.revision import refuse_newer

_MIGRATION_LOCK = AdvisoryLock.MIGRATION
"""Advisory lock: two processes that start together migrate one after the other."""


def configuration(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration, on an open connection when one is given."""
    config = Config()
    scripts = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", scripts.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


async def upgrade(url: str) -> None:
    """Run every revision that the database does not have yet, in one transaction. A second call changes nothing.

    Raises:
        ConfigurationInvalid: the URL says what nobody would heed.
        StoreUnavailable: the database cannot be reached, or refuses for now.
        TablesNotCurrent: a newer version migrated it.
    """
    engine = engine_on(url, {"timeout": 10}, poolclass=NullPool)
    try:
        with our_errors():
            async with engine.begin() as connection:
                lock = {"lock": _MIGRATION_LOCK}
                await connection.execute(text("select pg_advisory_xact_lock(:lock)"), lock)
                await refuse_newer(connection)
                await connection.run_sync(lambda opened: command.upgrade(configuration(opened), "head"))
    finally:
        await engine.dispose()
