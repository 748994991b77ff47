"""Databases whose tables are of another version than this code's."""

from __future__ import annotations

from alembic import command
from sqlalchemy import NullPool, text
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.database import engine_on
from adapters.store.migrate import configuration

BEFORE = "0009"
AFTER = "9999"


async def bring_to(url: str, revision: str) -> None:
    """Run the migrations up to `revision`."""
    engine = engine_on(url, {}, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(lambda opened: command.upgrade(configuration(opened), revision))
    await engine.dispose()


async def call_it(connection: AsyncConnection, revision: str) -> None:
    """Let whole tables say that they are at `revision`, as a release that is not written yet would."""
    await connection.execute(
        text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision}
    )
