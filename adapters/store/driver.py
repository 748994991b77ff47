"""One row by one statement, past SQLAlchemy's result layer: there, that layer takes longer than PostgreSQL itself.

For the hot statements of a guard pass. The text is constant and made for the driver (`$1`, `$2` …).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

from sqlalchemy.ext.asyncio import AsyncConnection


class Driver(Protocol):
    """What is used of an asyncpg connection."""

    def is_in_transaction(self) -> bool:
        """Tell whether BEGIN was sent."""
        ...

    async def fetchrow(self, query: str, *values: object) -> Sequence[Any] | None:
        """Return the first row; its values also have the names of their columns."""
        ...


async def only_row(connection: AsyncConnection, query: str, values: Sequence[object]) -> Sequence[Any]:
    """Return the one row of a query that always has one, in the caller's transaction. `jsonb` comes read.

    Raises:
        asyncpg.PostgresError, asyncpg.InterfaceError: bare; `Database` makes them ours.
    """
    driver = cast("Driver", (await connection.get_raw_connection()).driver_connection)
    if not driver.is_in_transaction():
        # SQLAlchemy sends BEGIN with its own first statement, and only then knows that there is something to commit.
        return (await connection.exec_driver_sql(query, tuple(values))).one()
    row = await driver.fetchrow(query, *values)
    if row is None:
        raise LookupError("the statement returned no row")
    return row
