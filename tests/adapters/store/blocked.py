"""What a test of two connections waits for: that one of them stands at a lock which the other holds."""

from __future__ import annotations

from sqlalchemy import text

from adapters.store.database import Database

_WAITING = text(
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def somebody_waits(database: Database) -> bool:
    """Whether a connection to this database waits for a lock."""
    async with database.reading() as connection:
        return (await connection.execute(_WAITING)).first() is not None
