"""While nobody decides: each step once per wait, by the database's clock, and never for what is decided."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import select, text, update

from adapters.store import proposals, reminders
from adapters.store.database import Database
from adapters.store.schema import audit_events, outbox
from adapters.store.schema import proposals as proposals_table
from adapters.store.schema import reminders as reminders_table
from contracts.configuration import Configuration
from contracts.principal import SYSTEM
from contracts.proposal import Proposal, ProposalState
from tests.adapters.store.samples import stored_proposal
from tests.api.serving import evaluation
from tests.stored_evaluations import keep

pytestmark = pytest.mark.postgres_15


def rules(**reminding: Any) -> Configuration:
    return Configuration.model_validate(
        {"environments": {"production": {}}, "approval": {"reminders": reminding}}
    )


async def waiting(database: Database, *, minutes: float = 0, of: float = 100, **changes: object) -> Proposal:
    """A proposal that has waited `minutes` of the time to decide, `of` minutes."""
    made = await stored_proposal(database, **changes)
    async with database.transaction() as connection:
        await keep(connection, evaluation(made))
        row = await proposals.lock(connection, made.id)
        await proposals.move(
            connection,
            row,
            ProposalState.AWAITING_APPROVAL,
            actor=SYSTEM,
            reason_code="approval_required",
            proposal=made,
        )
    await age(database, made.id, minutes, of)
    return made


async def age(database: Database, proposal_id: str, minutes: float, of: float = 100) -> None:
    since = text(f"clock_timestamp() - interval '{minutes} minutes'")
    until = text(f"clock_timestamp() - interval '{minutes} minutes' + interval '{of} minutes'")
    async with database.transaction() as connection:
        await connection.execute(
            update(proposals_table)
            .where(proposals_table.c.id == proposal_id)
            .values(state_since=since, decide_by=until)
        )


async def told(database: Database) -> list[tuple[str, str]]:
    """Proposal and event of every notification beside that it waits."""
    wanted = select(outbox.c.subject, outbox.c.payload["event"].astext).order_by(outbox.c.id)
    async with database.reading() as connection:
        rows = (await connection.execute(wanted.where(outbox.c.kind == "notify"))).all()
    return [(subject, event) for subject, event in rows if event != "waiting"]


async def audited(database: Database) -> list[dict[str, Any]]:
    wanted = select(audit_events.c.leaf).where(audit_events.c.type == "proposal.reminded")
    async with database.reading() as connection:
        leaves = (await connection.execute(wanted.order_by(audit_events.c.ordinal))).scalars()
        return [json.loads(leaf)["payload"] for leaf in leaves]


@pytest.mark.parametrize(
    ("minutes", "events"),
    [
        (49, []),
        (51, ["reminder"]),
        (76, ["reminder", "escalated"]),
        (91, ["reminder", "escalated", "page"]),
        (101, []),
    ],
    ids=["before the first", "remind", "escalate", "page", "too late for any"],
)
async def test_each_step_comes_at_its_share_of_the_time_to_decide(
    database: Database, minutes: float, events: list[str]
) -> None:
    made = await waiting(database, minutes=minutes)
    assert await reminders.remind(database, rules()) == len(events)
    assert sorted(await told(database)) == sorted((made.id, event) for event in events)


async def test_a_step_can_be_due_after_a_length_of_time_or_never(database: Database) -> None:
    made = await waiting(database, minutes=31)
    found = rules(remind_after="30m", escalate_after="2h", page_after="never")
    assert await reminders.remind(database, found) == 1
    assert await told(database) == [(made.id, "reminder")]
    await age(database, made.id, 121, of=500)
    await reminders.remind(database, found)
    assert (await told(database))[-1] == (made.id, "escalated")


async def test_nothing_is_due_where_every_step_is_never(database: Database) -> None:
    await waiting(database, minutes=99)
    never = rules(remind_after="never", escalate_after="never", page_after="never")
    assert await reminders.remind(database, never) == 0


async def test_a_step_happens_once(database: Database) -> None:
    await waiting(database, minutes=51)
    counts = [await reminders.remind(database, rules()) for _ in range(3)]
    assert counts == [1, 0, 0]
    assert len(await audited(database)) == 1


async def test_many_sweeps_at_once_tell_each_step_once(database: Database) -> None:
    made = [await waiting(database, minutes=76) for _ in range(6)]
    counts = await asyncio.gather(*(reminders.remind(database, rules()) for _ in range(8)))
    while await reminders.remind(database, rules()):
        pass
    expected = sorted((one.id, event) for one in made for event in ("escalated", "reminder"))
    assert sorted(await told(database)) == expected
    assert sum(counts) <= len(expected)


async def test_one_that_waits_anew_is_reminded_anew(database: Database) -> None:
    made = await waiting(database, minutes=51)
    assert await reminders.remind(database, rules()) == 1
    await age(database, made.id, 60)
    assert await reminders.remind(database, rules()) == 1


async def test_one_that_is_being_decided_is_left_alone_and_never_told_of_after_it(database: Database) -> None:
    made = await waiting(database, minutes=95)
    async with database.transaction() as connection:
        row = await proposals.lock(connection, made.id)
        assert await reminders.remind(database, rules()) == 0
        await proposals.move(connection, row, ProposalState.READY, actor=SYSTEM, reason_code="approved")
    assert await reminders.remind(database, rules()) == 0
    assert await told(database) == []


@pytest.mark.parametrize("state", [ProposalState.REJECTED, ProposalState.EXPIRED, ProposalState.CANCELLED])
async def test_what_no_longer_waits_is_never_reminded(database: Database, state: ProposalState) -> None:
    made = await waiting(database, minutes=95)
    async with database.transaction() as connection:
        row = await proposals.lock(connection, made.id)
        await proposals.move(connection, row, state, actor=SYSTEM, reason_code="test")
    assert await reminders.remind(database, rules()) == 0


async def test_another_tenants_proposals_are_not_ours_to_remind(database: Database) -> None:
    await waiting(database, minutes=95, tenant="other")
    assert await reminders.remind(database, rules()) == 0


async def test_who_is_told_stands_in_the_notification_and_in_the_audit_log(database: Database) -> None:
    made = await waiting(database, minutes=80)
    found = rules(escalate_to={"roles": ["admin"], "groups": ["sre"]})
    await reminders.remind(database, found)
    payloads = {one["step"]: one for one in await audited(database)}
    assert payloads["remind"]["told"] == {"roles": ["approver"], "groups": []}
    assert payloads["escalate"]["told"] == {"roles": ["admin"], "groups": ["sre"]}
    assert {one["proposal_id"] for one in payloads.values()} == {made.id}
    async with database.reading() as connection:
        rows = (await connection.execute(select(reminders_table))).all()
    assert {(row.proposal_id, row.step, row.waiting_since.isoformat()) for row in rows} == {
        (made.id, step, one["waiting_since"]) for step, one in payloads.items()
    }


async def test_more_than_fit_into_one_transaction_are_all_told_in_one_round(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reminders, "AT_ONCE", 2)
    made = [await waiting(database, minutes=51 + number) for number in range(5)]
    assert await reminders.remind(database, rules()) == 5
    assert sorted(await told(database)) == sorted((one.id, "reminder") for one in made)


_ABROAD = text("""
    DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET timezone TO %L', current_database(), 'Europe/Moscow');
    END $$""")
_HALF_IS_OVER = text("""
    UPDATE proposals SET state_since = since.at, decide_by = to_timestamp(
        2 * extract(epoch FROM clock_timestamp() - interval '30 minutes') - extract(epoch FROM since.at))
    FROM (SELECT timestamptz '2014-10-01T00:00Z' AS at) AS since""")


async def test_a_share_of_the_time_to_decide_is_the_same_in_every_time_zone_of_the_server(
    migrated_database_url: str, database: Database
) -> None:
    """It waits since before Moscow's clocks went back for good; half of its time was over half an hour ago."""
    async with database.transaction() as connection:
        await connection.execute(_ABROAD)
    abroad = Database(migrated_database_url)
    try:
        made = await waiting(abroad)
        async with abroad.transaction() as connection:
            await connection.execute(_HALF_IS_OVER)
        assert await reminders.remind(abroad, rules()) == 1
        assert await told(abroad) == [(made.id, "reminder")]
    finally:
        await abroad.close()
