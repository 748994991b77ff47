"""The driver hears of a row that has come to a state, from the database that keeps it, and asks for nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from benchmarks.floor.news import News, told_of

DONE = "NEW.state = 'done'"


@pytest.fixture
def dsn(database_url: str) -> str:
    return database_url.replace("+asyncpg", "", 1)


@pytest.fixture
async def changes(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE changes (id text PRIMARY KEY, state text, size int)")
    await connection.execute("INSERT INTO changes VALUES ('one', 'begun', 3), ('two', 'begun', 4)")
    yield connection
    await connection.close()


async def test_a_row_is_told_of_with_what_was_asked_for(dsn: str, changes: asyncpg.Connection) -> None:
    async with told_of(dsn, "changes", DONE, "NEW.id || ' ' || NEW.size") as news:
        await changes.execute("UPDATE changes SET state = 'done' WHERE id = 'two'")
        assert await news.of("two") == ["4"]
        assert await news.of("two") == ["4"]


async def test_what_was_rolled_back_or_is_in_another_state_is_not_told(
    dsn: str, changes: asyncpg.Connection
) -> None:
    async with told_of(dsn, "changes", DONE, "NEW.id || ' ' || NEW.size") as news:
        await changes.execute("BEGIN; UPDATE changes SET state = 'done'; ROLLBACK")
        await changes.execute("UPDATE changes SET state = 'lost', size = 1")
        await changes.execute("UPDATE changes SET state = 'done', size = 9")
        assert [await news.of(one) for one in ("one", "two")] == [["9"], ["9"]]


async def test_who_waits_is_told_when_the_database_goes_away(dsn: str, changes: asyncpg.Connection) -> None:
    async with told_of(dsn, "changes", DONE) as news:
        await changes.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        with pytest.raises(ConnectionError):
            await news.of("one")


async def test_nobody_waits_for_ever_for_what_is_never_told() -> None:
    news = News(within=0.01)
    with pytest.raises(TimeoutError, match="nothing was told of one"):
        await news.of("one")
    news.hear("one done")
    assert await news.of("one") == ["done"]
