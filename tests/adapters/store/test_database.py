from __future__ import annotations

import asyncio
import traceback
from datetime import timedelta
from functools import partial
from typing import Literal

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from adapters.store.database import Database, NetworkInsideTransaction, database_now, forbid_in_transaction
from adapters.store.driver import only_row
from contracts.errors import StoreUnavailable
from tests.adapters.dispatch.running import eventually
from tests.killable_postgres import KillablePostgres


async def test_the_network_is_forbidden_inside_a_transaction_only(database: Database) -> None:
    forbid_in_transaction()
    async with database.reading():
        forbid_in_transaction()
    async with database.transaction():
        with pytest.raises(NetworkInsideTransaction):
            forbid_in_transaction()
    with pytest.raises(RuntimeError):
        async with database.transaction():
            raise RuntimeError
    forbid_in_transaction()


async def test_a_transaction_of_one_task_forbids_nothing_to_another(database: Database) -> None:
    opened, done = asyncio.Event(), asyncio.Event()

    async def writing() -> None:
        async with database.transaction():
            opened.set()
            await done.wait()

    task = asyncio.create_task(writing())
    await opened.wait()
    forbid_in_transaction()
    done.set()
    await task


async def test_an_error_rolls_the_whole_transaction_back(database: Database) -> None:
    async def fails_half_way() -> None:
        async with database.transaction() as connection:
            await connection.execute(text("insert into leases (domain) values ('d')"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fails_half_way()
    async with database.reading() as connection:
        assert (await connection.execute(text("select count(*) from leases"))).scalar_one() == 0


async def test_reading_cannot_write(database: Database) -> None:
    with pytest.raises(DBAPIError):
        async with database.reading() as connection:
            await connection.execute(text("insert into leases (domain) values ('d')"))
    async with database.transaction() as connection:
        await connection.execute(text("insert into leases (domain) values ('d')"))


async def test_a_locked_row_is_given_up_as_unavailable(database: Database) -> None:
    async def impatient() -> None:
        async with database.transaction() as connection:
            await connection.execute(text("set local lock_timeout = '50ms'"))
            await connection.execute(text("insert into leases (domain) values ('d')"))

    async with database.transaction() as holder:
        await holder.execute(text("insert into leases (domain) values ('d')"))
        with pytest.raises(StoreUnavailable):
            await impatient()


async def test_no_lock_no_statement_and_no_idle_transaction_is_waited_for_without_end(
    database: Database,
) -> None:
    limits = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    wanted = text("SELECT name, setting::int AS limit FROM pg_settings WHERE name = ANY (:limits)")
    async with database.reading() as connection:
        found = await connection.execute(wanted, {"limits": list(limits)})
        assert {row.name: row.limit for row in found} == dict(
            zip(limits, (5_000, 15_000, 30_000), strict=True)
        )


async def test_nothing_is_written_while_reading(database: Database) -> None:
    with pytest.raises(DBAPIError, match="read-only transaction"):
        async with database.reading() as connection:
            await connection.execute(text("create table written (id int)"))


async def test_a_mistake_in_a_statement_is_not_unavailability(database: Database) -> None:
    with pytest.raises(DBAPIError):
        async with database.transaction() as connection:
            await connection.execute(text("select nothing from nowhere"))


async def test_a_killed_database_is_unavailable_and_comes_back(killable_postgres: KillablePostgres) -> None:
    opened = Database(killable_postgres.url, pool_size=2)

    async def loses_its_database() -> None:
        async with opened.transaction() as connection:
            await asyncio.to_thread(killable_postgres.crash)
            await database_now(connection)

    try:
        async with opened.transaction() as connection:
            await database_now(connection)
        with pytest.raises(StoreUnavailable):
            await loses_its_database()
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                async with opened.reading() as connection:
                    await database_now(connection)
        forbid_in_transaction()
        await asyncio.to_thread(killable_postgres.start)
        async with opened.transaction() as connection:
            await database_now(connection)
    finally:
        await opened.close()


async def test_a_database_killed_between_two_transactions_is_met_with_one_clear_error_or_none(
    killable_postgres: KillablePostgres,
) -> None:
    opened = Database(killable_postgres.url, pool_size=2)
    try:
        async with opened.reading() as connection:
            await database_now(connection)
        await asyncio.to_thread(killable_postgres.crash)
        await asyncio.to_thread(killable_postgres.start)
        failures = 0
        for _ in range(3):
            try:
                async with opened.reading() as connection:
                    await database_now(connection)
            except StoreUnavailable:
                failures += 1
        assert failures <= 1
    finally:
        await opened.close()


@pytest.mark.parametrize("kind", ["transaction", "reading", "single"])
async def test_a_connection_that_comes_back_after_the_pool_was_closed_is_closed(
    database: Database, database_url: str, kind: Literal["transaction", "reading", "single"]
) -> None:
    """As of a request that was cancelled while its server stopped, and of one that still began then."""
    late, in_use, may_end = Database(database_url), asyncio.Event(), asyncio.Event()

    async def session() -> int:
        async with getattr(late, kind)() as connection:
            number: int = (await connection.execute(text("select pg_backend_pid()"))).scalar_one()
            in_use.set()
            await may_end.wait()
            return number

    async def gone(number: int) -> bool:
        asked = text("select count(*) from pg_stat_activity where pid = :number")
        async with database.reading() as connection:
            return not (await connection.execute(asked, {"number": number})).scalar_one()

    interrupted = asyncio.create_task(session())
    await in_use.wait()
    await late.close()
    may_end.set()
    for ended in (await interrupted, await session()):
        await eventually(partial(gone, ended))


async def test_too_many_connections_are_unavailability(database_url: str) -> None:
    opened = Database(database_url, pool_size=1)
    narrow = Database(database_url.replace("postgres@", "nobody_at_all@"), pool_size=1)
    try:
        async with opened.transaction() as connection:
            await connection.execute(text("create role nobody_at_all login connection limit 0"))
        with pytest.raises(StoreUnavailable):
            async with narrow.reading() as connection:
                await database_now(connection)
    finally:
        await narrow.close()
        async with opened.transaction() as connection:
            await connection.execute(text("drop role nobody_at_all"))
        await opened.close()


async def test_an_unexpected_error_never_carries_the_values_of_a_statement(database: Database) -> None:
    with pytest.raises(DBAPIError) as broken:
        async with database.transaction() as connection:
            await connection.execute(text("select 1 / :zero, :secret"), {"zero": 0, "secret": "canary-value"})
    assert "canary-value" not in str(broken.value)


async def test_a_value_that_no_column_takes_is_a_defect_that_nobody_quotes(database: Database) -> None:
    with pytest.raises(ValueError, match="cannot take") as broken:
        async with database.transaction() as connection:
            await only_row(connection, "SELECT CAST($1 AS int)", ["canary-value"])
    assert "canary-value" not in "".join(traceback.format_exception(broken.value))


@pytest.mark.postgres_15
async def test_transactions_are_bounded_where_the_server_can_also_while_a_client_is_frozen_in_a_statement(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two messages of one statement neither `statement_timeout` nor the one of idle transactions counts."""
    monkeypatch.setattr("adapters.store.database.TRANSACTION_TIMEOUT", timedelta(seconds=2))
    opened = Database(database_url)
    async with opened.reading() as connection:
        told = (
            "SELECT current_setting('server_version_num')::int, current_setting('transaction_timeout', true)"
        )
        version, bound = (await connection.execute(text(told))).one()
    assert bound == ("2s" if version >= 170_000 else None)
    await opened.close()
