from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import halts
from adapters.store.database import Database, database_now
from adapters.store.proposals import lock
from adapters.store.schema import audit_events, intents, outbox, proposals
from contracts.holds import on_halt
from contracts.proposal import Proposal
from contracts.safety import Halt, HaltScope, HaltStatus
from tests.adapters.store.samples import stored_proposal
from tests.contracts.samples import AGENT, ANA, BEN

pytestmark = pytest.mark.postgres_15

EVERYTHING = HaltScope(everything=True)


async def halt(database: Database, scope: HaltScope = EVERYTHING) -> Halt:
    async with database.transaction() as connection:
        return await halts.create(connection, scope, "smoke", actor=BEN, tenant="default")


async def settle(database: Database) -> list[str]:
    async with database.transaction() as connection:
        return [one.id for one in await halts.settle(connection)]


async def intend(database: Database, proposal: Proposal, seconds: float) -> None:
    async with database.transaction() as connection:
        deadline = await database_now(connection) + timedelta(seconds=seconds)
        values = {"key": f"{proposal.id}/1/forward", "proposal_id": proposal.id, "step": "forward"}
        await connection.execute(
            insert(intents).values(**values, document={}, fence=1, call_deadline=deadline)
        )


async def types(database: Database, subject: str) -> list[str]:
    async with database.reading() as connection:
        found = select(audit_events.c.type).where(audit_events.c.subject == subject)
        return list((await connection.execute(found.order_by(audit_events.c.ordinal))).scalars())


async def test_with_nothing_in_flight_it_is_effective_at_once(database: Database) -> None:
    made = await halt(database)
    assert made.status is HaltStatus.EFFECTIVE
    assert made.effective_at is not None
    assert await types(database, made.id) == ["halt.created", "halt.effective"]


async def test_a_halt_that_was_not_committed_tells_nobody(database: Database) -> None:
    async def lost() -> None:
        async with database.transaction() as connection:
            await halts.create(connection, EVERYTHING, "smoke", actor=BEN, tenant="default")
            raise LookupError

    with pytest.raises(LookupError):
        await lost()
    made = await halt(database)
    async with database.reading() as connection:
        wanted = select(outbox.c.subject).where(outbox.c.kind == "notify")
        assert list((await connection.execute(wanted)).scalars()) == [made.id]


async def test_it_drains_until_the_calls_it_covers_are_past_their_deadline(database: Database) -> None:
    await intend(database, await stored_proposal(database), 600)
    made = await halt(database)
    assert made.status is HaltStatus.DRAINING
    assert await settle(database) == []
    async with database.transaction() as connection:
        await connection.execute(update(intents).values(call_deadline=await database_now(connection)))
    assert await settle(database) == [made.id]
    assert await settle(database) == []


async def test_a_receipt_ends_the_wait(database: Database) -> None:
    proposal = await stored_proposal(database)
    await intend(database, proposal, 60)
    made = await halt(database)
    async with database.transaction() as connection:
        await connection.execute(update(intents).values(receipt={}))
    assert await settle(database) == [made.id]


async def test_what_it_does_not_cover_it_does_not_wait_for(database: Database) -> None:
    await intend(database, await stored_proposal(database), 60)
    assert (await halt(database, HaltScope(environment="development"))).status is HaltStatus.EFFECTIVE
    assert (await halt(database, HaltScope(target="gke.node_pool/acme-prod/*"))).status is HaltStatus.DRAINING


async def test_a_halt_of_an_agent_drains_what_that_agent_had_a_hand_in(database: Database) -> None:
    await intend(database, await stored_proposal(database, authors=(ANA, AGENT)), 60)
    assert (await halt(database, HaltScope(agent="someone-else"))).status is HaltStatus.EFFECTIVE
    assert (await halt(database, HaltScope(agent="ana"))).status is HaltStatus.EFFECTIVE
    assert (await halt(database, HaltScope(agent="local/capacity-agent"))).status is HaltStatus.DRAINING


async def test_a_new_halt_waits_for_the_intents_that_are_being_written(database: Database) -> None:
    proposal = await stored_proposal(database)
    async with database.transaction() as connection:
        await halts.lock_out(connection, proposal.id)
        assert await halts.open_halts(connection) == ()
        creating = asyncio.create_task(halt(database))
        await asyncio.sleep(0.2)
        assert not creating.done()
        deadline = await database_now(connection) + timedelta(minutes=1)
        values = {"key": "k", "proposal_id": proposal.id, "step": "forward", "document": {}, "fence": 1}
        await connection.execute(insert(intents).values(**values, call_deadline=deadline))
    assert (await creating).status is HaltStatus.DRAINING


async def test_intents_do_not_keep_each_other_out(database: Database) -> None:
    one, another = await stored_proposal(database), await stored_proposal(database)
    async with database.transaction() as first, database.transaction() as second:
        await halts.lock_out(first, one.id)
        await asyncio.wait_for(halts.lock_out(second, another.id), 60)


async def test_the_oldest_halt_that_covers_an_effect_is_named(database: Database) -> None:
    await halt(database, HaltScope(environment="development"))
    made = await halt(database, HaltScope(action_kind="gke.node_pool.resize"))
    await halt(database)
    proposal = await stored_proposal(database)
    async with database.transaction() as connection:
        found = halts.covering(await halts.open_halts(connection), await lock(connection, proposal.id))
    assert found == made


async def test_a_halt_that_still_drains_stops_what_comes_next_already(database: Database) -> None:
    proposal = await stored_proposal(database)
    await intend(database, proposal, 60)
    made = await halt(database)
    assert made.status is HaltStatus.DRAINING
    async with database.transaction() as connection:
        assert halts.covering(await halts.open_halts(connection), await lock(connection, proposal.id)) == made


async def hold(connection: AsyncConnection, proposal: Proposal, made: Halt) -> None:
    """What a pass that saw the halt writes."""
    values = {"state": "ready", "held_on": on_halt(made.id)}
    await connection.execute(update(proposals).where(proposals.c.id == proposal.id).values(**values))


async def end(database: Database, made: Halt) -> Halt | None:
    async with database.transaction() as connection:
        return await halts.end(connection, made.id, actor=BEN)


async def tend(database: Database) -> None:
    async with database.transaction() as connection:
        await halts.tend(connection)


async def wakes(database: Database) -> dict[str, datetime]:
    """When each proposal is woken, in that order."""
    async with database.reading() as connection:
        wanted = select(outbox.c.subject, outbox.c.due_at).where(outbox.c.kind == "wake")
        rows = (await connection.execute(wanted.order_by(outbox.c.due_at))).all()
    assert len({row.subject for row in rows}) == len(rows)
    return {row.subject: row.due_at for row in rows}


async def test_its_end_wakes_everything_it_held_one_after_the_other_and_is_ended_once(
    database: Database,
) -> None:
    made = await halt(database)
    held = [await stored_proposal(database, priority=priority) for priority in (3, 1, 2)]
    async with database.transaction() as connection:
        for proposal in held:
            await hold(connection, proposal, made)
    for _ in range(2):
        ended = await end(database, made)
        assert ended is not None
        assert ended.status is HaltStatus.ENDED
    async with database.reading() as connection:
        assert await halts.open_halts(connection) == ()
    woken = await wakes(database)
    assert list(woken) == [held[1].id, held[2].id, held[0].id]
    first, second, third = woken.values()
    assert (second - first, third - second) == (halts.APART, halts.APART)
    assert (await types(database, made.id))[-1] == "halt.ended"


async def test_who_has_no_time_left_waits_for_no_turn(database: Database) -> None:
    made = await halt(database)
    held = [await stored_proposal(database) for _ in range(3)]
    async with database.transaction() as connection:
        now = await database_now(connection)
        for proposal in held:
            await hold(connection, proposal, made)
        await connection.execute(update(proposals).values(execute_by=now))
    await end(database, made)
    assert len(set((await wakes(database)).values())) == 1


async def test_what_a_pass_under_way_holds_after_the_end_is_woken_too(database: Database) -> None:
    made = await halt(database)
    locked, late = await stored_proposal(database), await stored_proposal(database)
    async with database.transaction() as in_a_pass:
        await lock(in_a_pass, locked.id)
        await hold(in_a_pass, locked, made)
        await end(database, made)
    assert await wakes(database) == {}
    await tend(database)
    assert list(await wakes(database)) == [locked.id]
    async with database.transaction() as in_a_pass:
        await hold(in_a_pass, late, made)
    await tend(database)
    assert list(await wakes(database)) == [locked.id, late.id]


async def test_what_another_halt_still_holds_is_left_alone(database: Database) -> None:
    ended, open_still = await halt(database), await halt(database)
    released, held = await stored_proposal(database), await stored_proposal(database)
    async with database.transaction() as connection:
        await hold(connection, released, ended)
        await hold(connection, held, open_still)
    await end(database, ended)
    await tend(database)
    assert list(await wakes(database)) == [released.id]


@pytest.mark.parametrize("halt_id", ["hlt_unknown"])
async def test_a_halt_nobody_knows_cannot_be_ended(database: Database, halt_id: str) -> None:
    async with database.transaction() as connection:
        assert await halts.end(connection, halt_id, actor=BEN) is None
