"""A PostgreSQL of its own for a proof, with durability off: nothing is shown here about a machine that loses power."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from adapters.store.database import Database
from adapters.store.schema import metadata
from tests.killable_postgres import KillablePostgres


@contextmanager
def on_core(number: int) -> Iterator[None]:
    """Keep this process, and what it starts meanwhile, on one core; numbers go round.

    A process and its database take turns, and waking another core takes longer.
    """
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(allowed)[number % len(allowed)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


@contextmanager
def postgres() -> Iterator[str]:
    """Yield the URL of an empty database on a server that runs meanwhile."""
    with KillablePostgres.started() as server:
        yield server.url


async def empty(database: Database) -> None:
    """Empty every table."""
    names = ", ".join(table.name for table in metadata.sorted_tables)
    async with database.transaction() as connection:
        # The audit log is append-only by a trigger.
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
