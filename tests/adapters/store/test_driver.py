from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.database import ANSWER_TIMEOUT, Database
from adapters.store.driver import first_row, only_row, query
from contracts.errors import StoreUnavailable

Opening = Callable[[Database], AbstractAsyncContextManager[AsyncConnection]]

INSERT = "INSERT INTO leases (domain) VALUES ($1) RETURNING domain"
COUNT = "SELECT count(*) AS leases FROM leases"


@pytest.fixture
async def narrow(migrated_database_url: str) -> AsyncIterator[Database]:
    """A pool of one connection: whatever state it is left in, the next one gets it."""
    opened = Database(migrated_database_url, pool_size=1)
    yield opened
    await opened.close()


async def test_statements_of_the_driver_and_of_sqlalchemy_are_in_one_transaction(narrow: Database) -> None:
    async def fails_half_way() -> None:
        async with narrow.transaction() as connection:
            await only_row(connection, INSERT, ["by-driver"])
            await connection.execute(text("INSERT INTO leases (domain) VALUES ('by-sqlalchemy')"))
            assert (await only_row(connection, COUNT, [])).leases == 2
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fails_half_way()
    async with narrow.single() as connection:
        assert (await only_row(connection, COUNT, [])).leases == 0


async def test_a_single_statement_is_committed_at_once(narrow: Database, database: Database) -> None:
    async with narrow.single() as connection:
        await only_row(connection, INSERT, ["d"])
        async with database.single() as other:
            assert (await only_row(other, COUNT, [])).leases == 1


@pytest.mark.parametrize("opening", [Database.transaction, Database.single], ids=["transaction", "single"])
async def test_a_connection_lost_under_the_driver_never_goes_back_to_the_pool(
    narrow: Database, opening: Opening
) -> None:
    async def loses_its_connection() -> None:
        async with opening(narrow) as connection:
            await only_row(connection, "SELECT pg_terminate_backend(pg_backend_pid())", [])

    with pytest.raises(StoreUnavailable):
        await loses_its_connection()
    async with opening(narrow) as connection:
        assert (await only_row(connection, COUNT, [])).leases == 0


async def test_a_connection_that_was_left_inside_a_transaction_never_goes_back_to_the_pool(
    narrow: Database, database: Database
) -> None:
    async with narrow.single() as connection:
        await first_row(connection, "BEGIN", [])
    async with narrow.single() as connection:
        await only_row(connection, INSERT, ["d"])
        async with database.single() as other:
            assert (await only_row(other, COUNT, [])).leases == 1


async def test_a_connection_lost_in_use_does_not_cost_the_others_theirs(migrated_database_url: str) -> None:
    pid, ended = "SELECT pg_backend_pid() AS pid", "SELECT pg_terminate_backend(pg_backend_pid())"
    two = Database(migrated_database_url, pool_size=1)
    try:
        async with two.single() as lost:
            async with two.single() as kept:
                was = (await only_row(kept, pid, [])).pid
            with pytest.raises(asyncpg.PostgresConnectionError):
                await only_row(lost, ended, [])
        async with two.single() as first, two.single() as second:
            assert was in {(await only_row(one, pid, [])).pid for one in (first, second)}
    finally:
        await two.close()


async def test_a_cancelled_transaction_leaves_neither_rows_nor_itself_behind(narrow: Database) -> None:
    sleeping = asyncio.Event()

    async def waits() -> None:
        async with narrow.transaction() as connection:
            await only_row(connection, INSERT, ["d"])
            sleeping.set()
            await only_row(connection, "SELECT pg_sleep(60)", [])

    task = asyncio.create_task(waits())
    await sleeping.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with narrow.transaction() as connection:
        assert (await only_row(connection, COUNT, [])).leases == 0
        await only_row(connection, INSERT, ["d"])
    async with narrow.single() as connection:
        assert (await only_row(connection, COUNT, [])).leases == 1


@pytest.mark.parametrize("begun", [Database.transaction, Database.reading], ids=["transaction", "reading"])
@pytest.mark.parametrize("opening", [Database.transaction, Database.single], ids=["transaction", "single"])
async def test_who_is_told_to_stop_while_a_transaction_begins_leaves_it_to_nobody_else(
    narrow: Database, database: Database, begun: Opening, opening: Opening
) -> None:
    async def begins() -> None:
        async with begun(narrow) as connection:
            await only_row(connection, COUNT, [])

    turns = 12
    """Of the event loop: more than it takes until BEGIN is sent and answered."""
    for turn in range(turns):
        task = asyncio.create_task(begins())
        for _ in range(turn):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with opening(narrow) as connection:
            await only_row(connection, INSERT, [f"after-{turn}"])
    async with database.single() as connection:
        assert (await only_row(connection, COUNT, [])).leases == turns


async def test_a_transaction_sees_what_was_committed_meanwhile_whatever_the_server_defaults_to(
    narrow: Database, database: Database
) -> None:
    async with narrow.single() as connection:
        await connection.execute(text("SET default_transaction_isolation = 'serializable'"))
    async with narrow.transaction() as connection:
        assert (await only_row(connection, COUNT, [])).leases == 0
        async with database.single() as other:
            await only_row(other, INSERT, ["d"])
        assert (await only_row(connection, COUNT, [])).leases == 1


async def test_a_query_takes_its_parameters_by_name_and_a_row_gives_its_columns_as_attributes(
    narrow: Database,
) -> None:
    asked = query(
        "SELECT CAST(:second AS text) AS b, CAST(:first AS int) AS a, jsonb_build_object('k', 1) AS c"
    )
    async with narrow.single() as connection:
        row = await asked.only_row(connection, {"first": 1, "second": "two", "unused": None})
        assert (row.a, row.b, row.c, row["a"]) == (1, "two", {"k": 1}, 1)
        with pytest.raises(AttributeError):
            _ = row.d
        assert await query("SELECT 1 WHERE false").first_row(connection, {}) is None
        with pytest.raises(LookupError):
            await query("SELECT 1 WHERE false").only_row(connection, {})


async def test_a_statement_stays_prepared_as_long_as_its_connection(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The driver forgets a statement by a timer, which no test can wait for.
    timers: list[float] = []
    loop = asyncio.get_running_loop()
    later = loop.call_later

    def noting(
        delay: float, callback: Callable[..., object], *given: object, **named: Any
    ) -> asyncio.TimerHandle:
        timers.append(delay)
        return later(delay, callback, *given, **named)

    monkeypatch.setattr(loop, "call_later", noting)
    async with database.single() as connection:
        await only_row(connection, COUNT, [])
    assert max(timers, default=0) <= ANSWER_TIMEOUT
