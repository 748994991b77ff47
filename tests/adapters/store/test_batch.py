from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest
from sqlalchemy import func, select

from adapters.store import audit_log
from adapters.store.audit_log import AUDIT_CHANNEL
from adapters.store.batch import Batch
from adapters.store.database import Database
from adapters.store.outbox import OUTBOX_CHANNEL, OutboxKind, put
from adapters.store.schema import audit_events, leases, outbox
from adapters.store.writes import inserting, updating
from contracts.audit import AuditEvent, AuditType
from contracts.errors import IllegalTransition
from contracts.principal import SYSTEM
from tests.waiting import eventually


def event(subject: str) -> AuditEvent:
    return audit_log.event(
        AuditType.LEASE_TAKEN, tenant="default", subject=subject, actor=SYSTEM, payload={"n": 1}
    )


async def test_everything_in_a_batch_is_written_with_the_events_in_their_order(database: Database) -> None:
    subjects = [f"subject-{number}" for number in range(20)]
    batch = Batch()
    batch.add(inserting(leases, {"domain": "a"}))
    batch.audit(*[event(subject) for subject in subjects])
    batch.queue(OutboxKind.WAKE, "prp_1", {"held_on": "a"})
    batch.queue(OutboxKind.NOTIFY, "prp_2")
    async with database.transaction() as connection:
        await batch.send(connection)
    async with database.reading() as connection:
        found = await connection.execute(select(audit_events.c.subject).order_by(audit_events.c.ordinal))
        assert list(found.scalars()) == subjects
        assert (await connection.execute(select(func.count()).select_from(leases))).scalar_one() == 1
        kinds = await connection.execute(select(outbox.c.kind, outbox.c.payload).order_by(outbox.c.kind))
        assert [tuple(row) for row in kinds] == [("notify", {}), ("wake", {"held_on": "a"})]


async def test_a_statement_that_writes_no_row_raises_what_it_was_given_and_nothing_stays(
    database: Database,
) -> None:
    batch = Batch()
    batch.audit(event("one"))
    batch.add(
        updating(leases, {"owner": "me"}, where={"domain": "absent"}),
        otherwise=IllegalTransition("gone"),
    )
    with pytest.raises(IllegalTransition):
        async with database.transaction() as connection:
            await batch.send(connection)
    async with database.reading() as connection:
        assert (await connection.execute(select(func.count()).select_from(audit_events))).scalar_one() == 0


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[list[tuple[str, str]]]:
    """Yield what is announced meanwhile: channel and payload."""
    heard: list[tuple[str, str]] = []
    listener = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        for channel in (AUDIT_CHANNEL, OUTBOX_CHANNEL):
            await listener.add_listener(channel, lambda *told: heard.append((str(told[2]), str(told[3]))))
        yield heard
    finally:
        await listener.close()


async def count_of(heard: list[tuple[str, str]], wanted: int) -> None:
    async def is_there() -> bool:
        return len(heard) >= wanted

    await eventually(is_there)


async def test_listeners_hear_of_events_and_of_outbox_rows_by_their_kind_at_the_commit(
    database: Database, migrated_database_url: str
) -> None:
    async with listening(migrated_database_url) as heard:
        batch = Batch()
        batch.audit(event("one"), event("two"))
        batch.queue(OutboxKind.WAKE, "prp_1")
        batch.queue(OutboxKind.WAKE, "prp_2")
        batch.queue(OutboxKind.NOTIFY, "prp_2")
        async with database.transaction() as connection:
            await batch.send(connection)
            assert heard == []
        await count_of(heard, 3)
        assert sorted(heard) == [(AUDIT_CHANNEL, ""), (OUTBOX_CHANNEL, "notify"), (OUTBOX_CHANNEL, "wake")]


async def test_a_row_that_its_writer_tries_first_is_announced_to_nobody(
    database: Database, migrated_database_url: str
) -> None:
    async with listening(migrated_database_url) as heard:
        for delay in (timedelta(seconds=4), timedelta(0)):
            async with database.transaction() as connection:
                await put(connection, OutboxKind.START_PROPOSAL, "prp_1", delay=delay)
        await count_of(heard, 1)
        assert heard == [(OUTBOX_CHANNEL, "start_proposal")]


async def test_an_empty_batch_does_nothing(database: Database) -> None:
    async with database.transaction() as connection:
        await Batch().send(connection)
