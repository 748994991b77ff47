"""Halts, overrides and grants: the log alone gives what the tables hold, and a log with a gap gives nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import select

from adapters.audit.replay import ReplayInconsistent, replay
from adapters.store import halts, overrides
from adapters.store.database import Database, database_now
from adapters.store.schema import audit_events
from adapters.store.schema import halts as halt_rows
from contracts.audit import AuditEvent, AuditType
from contracts.base import new_id
from contracts.override import GateOverride
from contracts.safety import HaltScope
from tests.adapters.store.samples import stored_proposal
from tests.contracts.samples import BEN

pytestmark = pytest.mark.postgres_15


async def logged(database: Database) -> list[AuditEvent]:
    async with database.reading() as connection:
        found = await connection.execute(select(audit_events.c.leaf).order_by(audit_events.c.ordinal))
        return [AuditEvent.model_validate_json(leaf) for leaf in found.scalars()]


def without(events: Sequence[AuditEvent], kind: AuditType) -> list[AuditEvent]:
    place = next(index for index, event in enumerate(events) if event.type is kind)
    return [*events[:place], *events[place + 1 :]]


async def test_halts_and_overrides_are_rebuilt_from_the_log_alone(database: Database) -> None:
    proposal = await stored_proposal(database)
    async with database.transaction() as connection:
        first = await halts.create(
            connection, HaltScope(agent="capacity-agent"), "loop", actor=BEN, tenant="default"
        )
        await halts.create(connection, HaltScope(everything=True), "drill", actor=BEN, tenant="default")
    async with database.transaction() as connection:
        await halts.end(connection, first.id, actor=BEN)
        now = await database_now(connection)
        given = GateOverride(
            id=new_id("ovr"),
            proposal_id=proposal.id,
            revision=1,
            gate="change_window",
            windows=("year-end",),
            actor=BEN,
            reason="down",
            at=now,
            expires_at=now + timedelta(hours=1),
        )
        await overrides.record(connection, given, tenant="default")
    async with database.reading() as connection:
        rows = (await connection.execute(select(halt_rows))).all()
        assert await overrides.of_proposal(connection, proposal.id) == (given,)
    events = await logged(database)
    rebuilt = replay(events).safety
    assert rebuilt.halts == {row.id: halts.halt_of(row) for row in rows}
    assert rebuilt.overrides == {given.id: given}
    with pytest.raises(ReplayInconsistent):
        replay(without(events, AuditType.HALT_CREATED))


async def test_a_halt_never_goes_back_in_the_log(database: Database) -> None:
    async with database.transaction() as connection:
        made = await halts.create(connection, HaltScope(everything=True), "x", actor=BEN, tenant="default")
        await halts.end(connection, made.id, actor=BEN)
    events = await logged(database)
    with pytest.raises(ReplayInconsistent):
        replay([*events, events[0]])
    with pytest.raises(ReplayInconsistent):
        replay([*events, next(one for one in events if one.type is AuditType.HALT_EFFECTIVE)])
