from __future__ import annotations

import asyncio
import contextlib

import pytest
from sqlalchemy import text

from adapters.store.database import Database
from adapters.store.listen import listen
from contracts.errors import StoreUnavailable


async def test_what_is_committed_is_heard_and_what_is_rolled_back_is_not(database: Database) -> None:
    heard = asyncio.Queue[str]()
    listening = asyncio.create_task(listen(database, {"one": heard.put_nowait}))
    assert await heard.get() == ""
    with contextlib.suppress(RuntimeError):
        async with database.transaction() as connection:
            await connection.execute(text("select pg_notify('one', 'rolled back')"))
            raise RuntimeError
    async with database.transaction() as connection:
        await connection.execute(text("select pg_notify('one', 'committed'), pg_notify('other', 'else')"))
    assert await asyncio.wait_for(heard.get(), 60) == "committed"
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening


async def test_a_broken_connection_ends_the_listening(database: Database) -> None:
    began = asyncio.Event()
    listening = asyncio.create_task(listen(database, {"one": lambda _: began.set()}))
    await began.wait()
    async with database.transaction() as connection:
        await connection.execute(
            text("select pg_terminate_backend(pid) from pg_stat_activity where query like 'LISTEN%'")
        )
    with pytest.raises(StoreUnavailable):
        await asyncio.wait_for(listening, 60)


async def test_a_listener_that_was_cancelled_leaves_no_listening_connection_behind(
    database: Database,
) -> None:
    for _ in range(3):
        heard = asyncio.Queue[str]()
        listening = asyncio.create_task(listen(database, {"one": heard.put_nowait}))
        await heard.get()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    async with database.reading() as connection:
        found = await connection.execute(
            text(
                "select count(*) from pg_stat_activity where datname = current_database() and query like 'LISTEN%'"
            )
        )
        assert found.scalar_one() == 0
