"""Claims of the outbox: what is due, for whom, in which order, and that nothing is done twice."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import timedelta

from pydantic import JsonValue
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import outbox, outbox_queue
from adapters.store.database import Database
from adapters.store.outbox import OutboxKind
from adapters.store.outbox_queue import OutboxRow
from tests.adapters.dispatch.running import put, rows
from tests.adapters.store.blocked import somebody_waits
from tests.waiting import eventually

ALL = tuple(OutboxKind)
LEASE = timedelta(minutes=2)
PARTS = [{"to": "one"}, {"to": "two"}]


async def claimed(
    connection: AsyncConnection,
    kinds: Collection[OutboxKind] = ALL,
    *,
    limit: int = 10,
    lease: timedelta = LEASE,
) -> list[OutboxRow]:
    return await outbox_queue.claim(connection, kinds, limit=limit, lease=lease)


async def claim(database: Database, kinds: Collection[OutboxKind] = ALL, *, limit: int = 10) -> list[str]:
    async with database.transaction() as connection:
        return [row.subject for row in await claimed(connection, kinds, limit=limit)]


async def due_again(database: Database) -> None:
    """Let the time of every claim and of every delay pass."""
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE outbox SET due_at = created_at"))


async def split(database: Database, whole: OutboxRow) -> None:
    async with database.transaction() as connection:
        await outbox_queue.split(connection, whole, PARTS)


async def left_over(database: Database) -> list[tuple[str, Mapping[str, JsonValue]]]:
    """Everything that is still to be delivered, as it would be."""
    await due_again(database)
    async with database.transaction() as connection:
        return [(row.subject, row.payload) for row in await claimed(connection)]


async def test_only_what_is_due_is_claimed(database: Database) -> None:
    async with database.transaction() as connection:
        await outbox.put(connection, OutboxKind.WAKE, "prp_later", delay=timedelta(hours=1))
    assert await claim(database) == []
    await due_again(database)
    assert await claim(database) == ["prp_later"]


async def test_what_is_claimed_stays_away_from_others_for_its_lease_and_is_counted(
    database: Database,
) -> None:
    await put(database, OutboxKind.WAKE, "prp_1")
    assert await claim(database) == ["prp_1"]
    assert await claim(database) == []
    await due_again(database)
    async with database.transaction() as connection:
        (again,) = await claimed(connection)
    assert (again.subject, again.attempts) == ("prp_1", 2)


async def test_what_was_delivered_or_given_up_is_not_claimed_again(database: Database) -> None:
    delivered = await put(database, OutboxKind.WAKE, "prp_1")
    given_up = await put(database, OutboxKind.WAKE, "prp_2")
    async with database.transaction() as connection:
        await outbox.settle(connection, delivered)
        await outbox_queue.give_up(connection, given_up, "not_found")
    assert await claim(database) == []


async def test_a_dispatcher_claims_its_own_kinds_only(database: Database) -> None:
    await put(database, OutboxKind.NOTIFY, "told")
    await put(database, OutboxKind.WAKE, "prp_1")
    assert await claim(database, [OutboxKind.WAKE]) == ["prp_1"]
    assert await claim(database, [OutboxKind.NOTIFY]) == ["told"]


async def test_no_more_is_claimed_than_there_is_room_for_and_what_is_due_longest_comes_first(
    database: Database,
) -> None:
    for subject in ("newer", "oldest", "newest"):
        await put(database, OutboxKind.WAKE, subject)
    due = """UPDATE outbox SET due_at = now() - interval '1 hour' *
        CASE subject WHEN 'oldest' THEN 3 WHEN 'newer' THEN 2 ELSE 1 END"""
    async with database.transaction() as connection:
        await connection.execute(text(due))
    assert [await claim(database, limit=1) for _ in range(3)] == [["oldest"], ["newer"], ["newest"]]


async def test_no_more_is_claimed_than_there_is_room_for_where_the_outbox_was_small_not_long_ago(
    database: Database,
) -> None:
    await put(database, OutboxKind.WAKE, "prp_alone")
    async with database.single() as connection:
        await connection.execute(text("VACUUM ANALYZE outbox"))
    for number in range(5):
        await put(database, OutboxKind.WAKE, f"prp_{number}")
    assert [len(await claim(database, limit=2)) for _ in range(4)] == [2, 2, 2, 0]


async def test_what_another_dispatcher_is_claiming_is_passed_over(database: Database) -> None:
    for subject in ("prp_1", "prp_2"):
        await put(database, OutboxKind.WAKE, subject)
    async with database.transaction() as connection:
        (theirs,) = await claimed(connection, limit=1)
        assert await claim(database) == ["prp_2"]
    assert theirs.subject == "prp_1"


async def test_what_is_over_is_neither_postponed_nor_given_up(database: Database) -> None:
    row_id = await put(database, OutboxKind.WAKE, "prp_1")
    async with database.transaction() as connection:
        await outbox.settle(connection, row_id)
    before = await rows(database)
    async with database.transaction() as connection:
        await outbox_queue.postpone(connection, row_id, timedelta(hours=1), "too_late")
    assert await rows(database) == before
    async with database.transaction() as connection:
        await outbox_queue.give_up(connection, row_id, "too_late")
    assert await rows(database) == before


async def test_a_row_is_split_once_and_its_parts_take_its_place(database: Database) -> None:
    await put(database, OutboxKind.NOTIFY, "told")
    async with database.transaction() as connection:
        (whole,) = await claimed(connection)
    for _ in range(2):
        await split(database, whole)
    assert await left_over(database) == [("told", part) for part in PARTS]


async def test_a_row_is_split_once_by_two_dispatchers_at_the_same_time(database: Database) -> None:
    await put(database, OutboxKind.NOTIFY, "told")
    async with database.transaction() as connection:
        (whole,) = await claimed(connection)
    async with database.transaction() as connection:
        await outbox_queue.split(connection, whole, PARTS)
        another = asyncio.create_task(split(database, whole))
        await eventually(lambda: somebody_waits(database))
    await another
    assert await left_over(database) == [("told", part) for part in PARTS]


async def test_only_what_was_done_long_enough_ago_is_forgotten(database: Database) -> None:
    done, recent, _ = [await put(database, OutboxKind.WAKE, f"prp_{number}") for number in range(3)]
    async with database.transaction() as connection:
        for row_id in (done, recent):
            await outbox.settle(connection, row_id)
        long_ago = text("UPDATE outbox SET done_at = done_at - interval '2 days' WHERE id = :id")
        await connection.execute(long_ago, {"id": done})
        assert await outbox_queue.forget_done(connection, timedelta(days=1)) == 1
    assert [row.subject for row in await rows(database)] == ["prp_1", "prp_2"]
