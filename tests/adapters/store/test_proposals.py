from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_log, halts, outbox, proposal_reads, proposals
from adapters.store.database import Database
from adapters.store.proposal_reads import MAX_TIMELINE
from adapters.store.schema import audit_events
from adapters.store.schema import outbox as outbox_table
from adapters.store.schema import proposals as proposals_table
from contracts.audit import AuditEvent, AuditType
from contracts.errors import IllegalTransition, NotFound
from contracts.principal import SYSTEM
from contracts.proposal import TRANSITIONS, Proposal, ProposalState
from tests.adapters.store.blocked import somebody_waits
from tests.adapters.store.samples import stored_proposal
from tests.waiting import eventually

S = ProposalState


async def test_a_move_changes_the_row_and_leaves_its_event(database: Database) -> None:
    made = await stored_proposal(database)
    async with database.transaction() as connection:
        row = await proposals.lock(connection, made.id)
        await proposals.move(
            connection,
            row,
            S.AWAITING_APPROVAL,
            actor=SYSTEM,
            reason_code="quorum",
            proposal=made,
            facts={"n": 1},
        )
        moved = await proposals.lock(connection, made.id)
        leaves = (
            await connection.execute(select(audit_events.c.leaf).order_by(audit_events.c.ordinal))
        ).scalars()
        payload = json.loads(list(leaves)[-1])["payload"]
        notified = (await connection.execute(select(outbox_table.c.payload))).scalar_one()
    assert (moved.state, moved.digest, moved.closed_at) == ("awaiting_approval", made.digest, None)
    assert (payload["from"], payload["to"], payload["digest"]) == (
        "evaluating",
        "awaiting_approval",
        made.digest,
    )
    assert payload["facts"] == {"n": 1}
    assert notified["event"] == "waiting"


async def test_every_edge_that_the_table_does_not_have_is_refused(database: Database) -> None:
    made = await stored_proposal(database)
    for present, to in itertools.product(S, S):
        if to in TRANSITIONS.get(present, frozenset()):
            continue
        async with database.transaction() as connection:
            statement = text("update proposals set state = :state where id = :id")
            await connection.execute(statement, {"state": present.value, "id": made.id})
            row = await proposals.lock(connection, made.id)
            with pytest.raises(IllegalTransition):
                await proposals.move(connection, row, to, actor=SYSTEM, reason_code="x")
            assert (await proposals.lock(connection, made.id)).state == present.value


async def test_a_row_that_was_moved_since_cannot_be_moved_from_its_old_state(database: Database) -> None:
    made = await stored_proposal(database)
    async with database.transaction() as connection:
        row = await proposals.lock(connection, made.id)
        await proposals.move(connection, row, S.CANCELLED, actor=SYSTEM, reason_code="x")
        with pytest.raises(IllegalTransition):
            await proposals.move(connection, row, S.DENIED, actor=SYSTEM, reason_code="x")


async def test_a_row_that_was_edited_since_cannot_be_moved_as_it_was(database: Database) -> None:
    made = await stored_proposal(database)
    async with database.transaction() as connection:
        row = await proposals.lock(connection, made.id)
        await connection.execute(update(proposals_table).values(revision=2))
        with pytest.raises(IllegalTransition):
            await proposals.move(connection, row, S.DENIED, actor=SYSTEM, reason_code="x")


@pytest.mark.parametrize("lock", [proposals.lock, halts.lock_out])
async def test_whoever_locks_a_proposal_sees_what_the_one_before_made_of_it(
    database: Database, lock: Callable[[AsyncConnection, str], Awaitable[Row[Any]]]
) -> None:
    made = await stored_proposal(database)

    async def seen() -> str:
        async with database.transaction() as connection:
            return str((await lock(connection, made.id)).state)

    async def waits_or_has_seen() -> bool:
        return another.done() or await somebody_waits(database)

    async with database.transaction() as connection:
        row = await proposals.lock(connection, made.id)
        another = asyncio.create_task(seen())
        await eventually(waits_or_has_seen)
        await proposals.move(connection, row, S.CANCELLED, actor=SYSTEM, reason_code="x")
    assert await another == S.CANCELLED


async def test_a_long_life_is_told_to_its_end(database: Database) -> None:
    """A held proposal is judged again every minute: what became of it comes after all of that."""
    made = await stored_proposal(database)
    held = [
        _told(made, AuditType.PROPOSAL_EVALUATED, {"pass_number": number}) for number in range(MAX_TIMELINE)
    ]
    async with database.transaction() as connection:
        await audit_log.append(connection, *held)
        await audit_log.append(connection, _told(made, AuditType.PROPOSAL_MOVED, {"to": "succeeded"}))
        told = await proposal_reads.timeline(connection, made.tenant, made.id)
    assert len(told) == MAX_TIMELINE
    assert told[-1].payload == {"to": "succeeded"}
    assert [one.payload["pass_number"] for one in told[:-1]] == list(range(1, MAX_TIMELINE))


def _told(about: Proposal, kind: AuditType, payload: dict[str, object]) -> AuditEvent:
    return audit_log.event(kind, tenant=about.tenant, subject=about.id, actor=SYSTEM, payload=payload)


async def test_an_unknown_proposal_is_not_found(database: Database) -> None:
    async with database.transaction() as connection:
        with pytest.raises(NotFound):
            await proposals.lock(connection, "prp_none")


async def test_what_frees_wakes_the_first_of_the_most_urgent(database: Database) -> None:
    late = await stored_proposal(database, priority=3)
    urgent = await stored_proposal(database, priority=1)
    other = await stored_proposal(database, priority=1)
    async with database.transaction() as connection:
        for made in (late, urgent, other):
            row = await proposals.lock(connection, made.id)
            await proposals.move(connection, row, S.READY, actor=SYSTEM, reason_code="ok")
        for made in (late, urgent):
            row = await proposals.lock(connection, made.id)
            await proposals.hold(connection, row, "lease:a", "target_busy", "busy")
        row = await proposals.lock(connection, other.id)
        await proposals.hold(connection, row, "lease:b", "target_busy", "busy")
        await proposals.wake_held(connection, "lease:a")
        woken = (await connection.execute(select(outbox_table.c.kind, outbox_table.c.subject))).all()
    assert [tuple(one) for one in woken] == [("wake", urgent.id)]


async def test_an_outbox_row_is_announced_when_it_commits_and_is_due_after_its_delay(
    database: Database,
) -> None:
    async with database.transaction() as connection:
        row_id = await outbox.put(connection, outbox.OutboxKind.WAKE, "prp_1", {"a": 1})
        await outbox.settle(connection, row_id)
        await outbox.settle(connection, row_id)
        row = (await connection.execute(select(outbox_table).where(outbox_table.c.id == row_id))).one()
    assert (row.kind, row.subject, row.payload) == ("wake", "prp_1", {"a": 1})
    assert row.done_at is not None
