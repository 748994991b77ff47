"""Brings the tables to the newest revision, and tells whether they are there. `sluice migrate` and start-up use it.

Alembic is driven from code: no ini file, no machine path, the connection is ours.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from adapters.store.advisory_locks import AdvisoryLock
from adapters.store.database import Database, asyncpg_url
from contracts.errors import StoreUnavailable

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
        StoreUnavailable: the database cannot be reached.
    """
    engine = create_async_engine(asyncpg_url(url), poolclass=NullPool, connect_args={"timeout": 10})
    try:
        async with engine.begin() as connection:
            await connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            await connection.run_sync(lambda opened: command.upgrade(configuration(opened), "head"))
    except (OperationalError, InterfaceError, OSError) as error:
        raise StoreUnavailable("the database did not answer") from error
    finally:
        await engine.dispose()


async def is_current(database: Database) -> bool:
    """Tell whether the database has exactly the newest revision.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """
    async with database.reading() as connection:
        found = await connection.run_sync(
            lambda opened: MigrationContext.configure(opened).get_current_heads()
        )
    return frozenset(found) == _newest()


@cache
def _newest() -> frozenset[str]:
    return frozenset(ScriptDirectory.from_config(configuration()).get_heads())
