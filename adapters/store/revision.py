"""Whether the tables are those of this code: asked where a process starts, by `/readyz`, and by `sluice migrate`.

Code and tables go together, in both directions: older tables lack what this code writes, and newer ones may ask for
what it does not know to write. So every other revision is refused. Alembic is not needed to tell.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.database import Database
from contracts.errors import TablesNotCurrent

REVISION = "0010"
"""The newest of `migrations/versions`, which makes the tables of `schema/`. A later one sorts behind it."""

_IS_THERE = text("SELECT to_regclass('alembic_version') IS NOT NULL")
_FOUND = text("SELECT version_num FROM alembic_version")


async def require_current(database: Database) -> None:
    """Return when the tables are at `REVISION`.

    Raises:
        StoreUnavailable: the database cannot be reached.
        TablesNotCurrent: they are at another one, or there are none.
    """
    async with database.reading() as connection:
        found = await _found(connection)
    if found != REVISION:
        raise _not_current(found)


async def is_current(database: Database) -> bool:
    """Tell whether the tables are at `REVISION`.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """
    async with database.reading() as connection:
        return await _found(connection) == REVISION


async def refuse_newer(connection: AsyncConnection) -> None:
    """Return when the tables are those of this code, or can become so.

    Raises:
        TablesNotCurrent: a newer version migrated them.
    """
    found = await _found(connection)
    if found is not None and found > REVISION:
        raise _not_current(found)


async def _found(connection: AsyncConnection) -> str | None:
    if not (await connection.execute(_IS_THERE)).scalar_one():
        return None
    found: str | None = (await connection.execute(_FOUND)).scalar_one_or_none()
    return found


def _not_current(found: str | None) -> TablesNotCurrent:
    if found is None:
        told = f"the database holds no tables of Sluice, and this version needs {REVISION}"
    elif found < REVISION:
        told = f"the database's tables are at {found}, and this version needs {REVISION}"
    else:
        return TablesNotCurrent(
            f"the database's tables are at {found}, newer than {REVISION}, which this version needs:"
            " start the version that migrated them, or restore the backup of before"
        )
    return TablesNotCurrent(f"{told}: run `sluice migrate`")
