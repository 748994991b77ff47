from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select, text

from adapters.audit import checkpoint, merkle
from adapters.audit.checkpoint import CheckpointSigner
from adapters.store import audit_log, audit_tree, sequencer
from adapters.store.advisory_locks import AdvisoryLock
from adapters.store.database import Database
from adapters.store.listen import listen
from adapters.store.migrate import upgrade
from adapters.store.schema import audit_checkpoints, audit_events
from adapters.store.sequencer import SEQUENCED_CHANNEL, Sequencer
from contracts.audit import AuditEvent, AuditType
from contracts.errors import StoreUnavailable
from contracts.principal import SYSTEM
from proofs.simulation.loop import VirtualLoop
from tests.killable_postgres import KillablePostgres
from tests.round_trips import round_trips
from tests.waiting import eventually, until

SIGNER = CheckpointSigner(Ed25519PrivateKey.from_private_bytes(b"a" * 32), "sluice.test/audit")
ANOTHER_AT_WORK = text(f"SELECT pg_advisory_xact_lock({AdvisoryLock.SEQUENCER:d})")
SOMEBODY_WAITS = text("""
    SELECT 1 FROM pg_locks JOIN pg_database d ON d.oid = database
    WHERE locktype = 'advisory' AND NOT granted AND d.datname = current_database()""")


def event(subject: str = "prp_1", step: int = 0) -> AuditEvent:
    return audit_log.event(
        AuditType.PROPOSAL_MOVED, tenant="default", subject=subject, actor=SYSTEM, payload={"step": step}
    )


async def write(database: Database, count: int, subject: str = "prp_1") -> None:
    async with database.transaction() as connection:
        await audit_log.append(connection, *(event(subject, step) for step in range(count)))


async def assert_sound(database: Database, expected: int) -> None:
    """Numbers are dense, each hash is its leaf's, and every checkpoint has the root of its size."""
    async with database.reading() as connection:
        rows = (
            await connection.execute(
                select(audit_events.c.number, audit_events.c.leaf, audit_events.c.leaf_hash).order_by(
                    audit_events.c.number
                )
            )
        ).all()
        notes = (await connection.execute(select(audit_checkpoints))).all()
        tree = await audit_tree.read_tree(connection, expected)
    assert [row.number for row in rows] == list(range(expected))
    hashes = [merkle.leaf_hash(row.leaf) for row in rows]
    assert [row.leaf_hash for row in rows] == hashes
    assert tree.root() == merkle.root_of(hashes)
    assert notes
    for note in notes:
        seen = checkpoint.verify(note.note, [SIGNER.key])
        assert (seen.size, seen.root) == (note.size, merkle.root_of(hashes[: note.size]))


@pytest.mark.postgres_15
@pytest.mark.parametrize("batch", [1, 3, 1_000])
async def test_events_are_numbered_densely_and_proved(database: Database, batch: int) -> None:
    working = Sequencer(database, SIGNER, batch=batch)
    await write(database, 5)
    await write(database, 8)
    assert (await working.checkpoint()).size == 13
    await assert_sound(database, 13)
    async with database.reading() as connection:
        path = await audit_tree.prove_inclusion(connection, 4, 13)
        rows = (
            await connection.execute(select(audit_events.c.leaf).order_by(audit_events.c.number))
        ).scalars()
        hashes = [merkle.leaf_hash(leaf) for leaf in rows]
        grown = await audit_tree.prove_consistency(connection, 7, 13)
    root = merkle.root_of(hashes)
    assert merkle.verify_inclusion(hashes[4], 4, 13, path, root)
    assert merkle.verify_consistency(7, merkle.root_of(hashes[:7]), 13, root, grown)


async def test_events_of_one_transaction_keep_their_order(database: Database) -> None:
    await write(database, 40)
    await Sequencer(database, SIGNER, batch=7).checkpoint()
    async with database.reading() as connection:
        leaves = (
            await connection.execute(select(audit_events.c.leaf).order_by(audit_events.c.number))
        ).scalars()
        steps = [AuditEvent.model_validate_json(leaf).payload["step"] for leaf in leaves]
    assert steps == list(range(40))


async def test_a_checkpoint_of_an_empty_log_is_signed_too(database: Database) -> None:
    made = await Sequencer(database, SIGNER).checkpoint()
    seen = checkpoint.verify(made.note, [SIGNER.key])
    assert (seen.size, seen.root) == (0, merkle.EMPTY_ROOT)


async def test_a_checkpoint_is_written_after_a_minute_or_a_thousand_entries(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    working = Sequencer(database, SIGNER)

    async def sizes() -> list[int]:
        async with database.reading() as connection:
            found = await connection.execute(
                select(audit_checkpoints.c.size).order_by(audit_checkpoints.c.size)
            )
            return list(found.scalars())

    await write(database, 1)
    await working.advance()
    await write(database, 999)
    await working.advance()
    assert await sizes() == [1]
    await write(database, 1)
    await working.advance()
    assert await sizes() == [1, 1_001]
    await write(database, 1)
    await working.advance()
    assert await sizes() == [1, 1_001]
    monkeypatch.setattr(sequencer, "CHECKPOINT_EVERY", timedelta(0))
    await working.advance()
    await working.advance()
    assert await sizes() == [1, 1_001, 1_002]


async def test_a_checkpoint_on_demand_is_the_newest_one_until_something_else_is_committed(
    database: Database,
) -> None:
    working = Sequencer(database, SIGNER)
    for _ in range(2):
        await write(database, 2)
        made = await working.checkpoint()
        assert await working.checkpoint() == made
    assert made.size == 4
    await assert_sound(database, 4)


async def test_what_another_sequencer_is_numbering_is_left_to_it(database: Database) -> None:
    working = Sequencer(database, SIGNER)
    await write(database, 2)
    async with database.transaction() as other:
        await other.execute(ANOTHER_AT_WORK)
        assert await working.advance() == 0
    assert await working.advance() == 2


async def test_a_checkpoint_on_demand_waits_for_the_sequencer_at_work(database: Database) -> None:
    async with database.transaction() as other:
        await other.execute(ANOTHER_AT_WORK)
        asked = asyncio.create_task(Sequencer(database, SIGNER).checkpoint())

        async def waits_or_is_done() -> bool:
            return asked.done() or (await other.execute(SOMEBODY_WAITS)).first() is not None

        await eventually(waits_or_is_done)
        assert not asked.done()
        await audit_log.append(other, event())
    assert (await asked).size == 1


async def test_an_event_committed_late_is_numbered_late_and_leaves_no_gap(database: Database) -> None:
    working = Sequencer(database, SIGNER)
    async with database.transaction() as slow:
        await audit_log.append(slow, event("slow"))
        await write(database, 1, "quick")
        assert await working.advance() == 1
    assert await working.advance() == 1
    async with database.reading() as connection:
        rows = (
            await connection.execute(select(audit_events.c.subject).order_by(audit_events.c.number))
        ).scalars()
        assert list(rows) == ["quick", "slow"]
    await assert_sound(database, 2)


async def test_what_caused_what_keeps_its_order_under_contention(database: Database) -> None:
    """Writers move three subjects under their row locks, with random pauses, while two sequencers number."""
    chance = random.Random(7)
    async with database.transaction() as connection:
        for subject in ("a", "b", "c"):
            await connection.execute(
                text("insert into leases (domain, fence) values (:d, 0)"), {"d": subject}
            )

    async def writer() -> None:
        for _ in range(12):
            first, second = sorted(chance.sample(["a", "b", "c"], 2))
            async with database.transaction() as connection:
                for subject in (first, second):
                    raised = await connection.execute(
                        text("update leases set fence = fence + 1 where domain = :d returning fence"),
                        {"d": subject},
                    )
                    await audit_log.append(connection, event(subject, raised.scalar_one()))
                    await asyncio.sleep(chance.random() / 200)

    sequencers = [asyncio.create_task(Sequencer(database, SIGNER, batch=3).run()) for _ in range(2)]
    await asyncio.gather(*(writer() for _ in range(6)))
    for task in sequencers:
        task.cancel()
    await asyncio.gather(*sequencers, return_exceptions=True)
    await Sequencer(database, SIGNER).checkpoint()
    await assert_sound(database, 6 * 12 * 2)
    async with database.reading() as connection:
        leaves = (
            await connection.execute(select(audit_events.c.leaf).order_by(audit_events.c.number))
        ).scalars()
        events = [AuditEvent.model_validate_json(leaf) for leaf in leaves]
    for subject in ("a", "b", "c"):
        steps = [one.payload["step"] for one in events if one.subject == subject]
        assert steps == list(range(1, len(steps) + 1))


async def test_new_events_are_announced_numbered_and_announced_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.store.sequencer.POLL", timedelta(hours=1))
    working, heard = Sequencer(database, SIGNER), asyncio.Queue[str]()
    listening = asyncio.create_task(
        listen(database, {audit_log.AUDIT_CHANNEL: working.wake, SEQUENCED_CHANNEL: heard.put_nowait})
    )
    running = asyncio.create_task(working.run())
    assert await heard.get() == ""
    await asyncio.sleep(0.1)
    await write(database, 3)
    assert await asyncio.wait_for(heard.get(), 60) == "2"
    for task in (listening, running):
        task.cancel()
    await asyncio.gather(listening, running, return_exceptions=True)


async def test_a_batch_takes_six_round_trips_and_a_checkpoint_one_more(database: Database) -> None:
    working = Sequencer(database, SIGNER)
    for events, expected in ((1, 7), (40, 6), (960, 7)):
        await write(database, events)
        with round_trips(database) as seen:
            assert await working.advance() == events
        assert len(seen) == expected, seen
    await assert_sound(database, 1_001)


async def test_the_first_event_is_numbered_at_once_and_what_commits_then_waits_to_be_numbered_together(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.store.sequencer.POLL", timedelta(hours=1))
    monkeypatch.setattr("adapters.store.sequencer.TOGETHER", timedelta(hours=1))
    working, heard = Sequencer(database, SIGNER), asyncio.Queue[str]()
    listening = asyncio.create_task(listen(database, {SEQUENCED_CHANNEL: heard.put_nowait}))
    assert await heard.get() == ""
    running = asyncio.create_task(working.run())
    await write(database, 1)
    working.wake()
    assert await asyncio.wait_for(heard.get(), 60) == "0"
    for _ in range(2):
        await write(database, 1)
        working.wake()
    await asyncio.sleep(0.3)
    assert heard.empty()
    assert await working.advance() == 2
    for task in (listening, running):
        task.cancel()
    await asyncio.gather(listening, running, return_exceptions=True)


def test_between_two_rounds_lies_a_second_also_where_nobody_wakes_for_what_commits() -> None:
    looks: list[float] = []

    class Busy(Sequencer):
        async def advance(self) -> int:
            looks.append(asyncio.get_running_loop().time())
            if len(looks) == 4:
                raise StoreUnavailable("enough")
            return 1

    with closing(VirtualLoop()) as loop, pytest.raises(StoreUnavailable):
        loop.run_until_complete(Busy(Database("postgresql://nowhere/none"), SIGNER).run())
    assert looks == pytest.approx([0, 1, 2, 3])


@pytest.mark.parametrize("steps", range(5))
async def test_a_sequencer_that_is_woken_and_cancelled_at_the_same_moment_ends(
    database: Database, steps: int
) -> None:
    working = Sequencer(database, SIGNER)
    running = asyncio.create_task(working.run())
    await asyncio.sleep(0.3)
    working.wake()
    for _ in range(steps):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running], timeout=60)
    assert running.cancelled()


async def _persistently(work: Callable[[], Awaitable[object]], stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            await work()
        except StoreUnavailable:
            await asyncio.sleep(0.05)


async def test_a_killed_database_loses_no_event_and_numbers_none_twice(
    killable_postgres: KillablePostgres,
) -> None:
    await upgrade(killable_postgres.url)
    database, stop, written = Database(killable_postgres.url), asyncio.Event(), set[str]()
    sequencers = [Sequencer(database, SIGNER, batch=7) for _ in range(2)]

    async def write_some() -> None:
        made = [event(step=step) for step in range(5)]
        async with database.transaction() as connection:
            await audit_log.append(connection, *made)
        written.update(one.id for one in made)

    tasks = [
        asyncio.create_task(_persistently(work, stop))
        for work in (write_some, *(s.advance for s in sequencers))
    ]
    for crashes in range(1, 5):
        await until(lambda enough=15 * crashes: len(written) >= enough)  # type: ignore[misc]
        await asyncio.to_thread(killable_postgres.crash)
        await asyncio.to_thread(killable_postgres.start)
    await until(lambda: len(written) >= 75)
    stop.set()
    await asyncio.gather(*tasks)
    size = (await sequencers[0].checkpoint()).size
    async with database.reading() as connection:
        stored = set((await connection.execute(select(audit_events.c.id))).scalars())
    assert written <= stored
    assert size == len(stored)
    await assert_sound(database, size)
    await database.close()
