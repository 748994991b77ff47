"""What `/metrics` says of the outbox: how late it is, not how long ago somebody wrote down what comes later."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from adapters.store import backlog
from adapters.store.database import Database

MINUTE = 60


async def put(
    database: Database, *, written: int, due: int, attempts: int = 0, error: str | None = None
) -> None:
    """Add a row that was written so many minutes ago, and is due so many minutes from now."""
    row = {"written": written, "due": due, "attempts": attempts, "error": error}
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO outbox (kind, subject, attempts, last_error, created_at, due_at) VALUES"
                " ('wake', 'prp_1', :attempts, :error, now() - make_interval(mins => :written),"
                " now() + make_interval(mins => :due))"
            ),
            row,
        )


async def minutes_late(database: Database) -> int:
    async with database.reading() as connection:
        return int((await backlog.measure(connection, "default")).outbox_oldest // MINUTE)


async def test_what_is_to_be_told_at_a_later_moment_is_not_late(database: Database) -> None:
    await put(database, written=30, due=30)
    assert await minutes_late(database) == 0


async def test_what_is_being_told_for_the_first_time_is_not_late(database: Database) -> None:
    await put(database, written=30, due=1, attempts=1)
    assert await minutes_late(database) == 0


async def test_what_nobody_takes_is_late_since_its_moment(database: Database) -> None:
    await put(database, written=30, due=30)
    await put(database, written=30, due=-5)
    assert await minutes_late(database) == 5


@pytest.mark.parametrize("error", ["workflow_unavailable", None], ids=["refused", "nobody came back"])
async def test_what_is_tried_in_vain_is_late_since_it_was_written(
    database: Database, error: str | None
) -> None:
    await put(database, written=5, due=1, attempts=2, error=error)
    assert await minutes_late(database) == 5


async def test_without_anything_to_be_told_nothing_is_late(database: Database) -> None:
    assert await minutes_late(database) == 0
