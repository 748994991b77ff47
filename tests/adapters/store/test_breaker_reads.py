from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from adapters.store import breaker_reads, breakers, held_reads
from adapters.store.database import Database, database_now
from adapters.store.schema import proposals
from contracts.configuration import BreakerLimits
from contracts.holds import on_breaker
from tests.adapters.store.samples import stored_proposal
from tests.contracts.samples import BEN
from tests.steps import count_outcome

pytestmark = pytest.mark.postgres_15

LIMITS = BreakerLimits(failures=1, cooldown=timedelta(minutes=5))
KIND = "kind:gke.node_pool.resize"


async def fail(database: Database) -> None:
    async with database.transaction() as connection:
        now = await database_now(connection)
        await count_outcome(connection, [KIND], False, "GCE_STOCKOUT", LIMITS, now)


async def test_it_tells_how_a_breaker_came_to_be_so_newest_first(database: Database) -> None:
    await fail(database)
    async with database.transaction() as connection:
        await breakers.reset(connection, KIND, actor=BEN, reason="stock is back", tenant="default")
    async with database.reading() as connection:
        moves = (await breaker_reads.moves(connection, "default", [KIND, "kind:none"]))[KIND]
    told = [(one.payload["from"], one.payload["to"], one.payload["reason_code"]) for one in moves]
    assert told == [("open", "closed", "reset_by_operator"), ("closed", "open", "GCE_STOCKOUT")]
    assert (moves[0].actor.subject, moves[0].payload["reason"]) == ("ben", "stock is back")


async def test_what_it_holds_is_listed_in_the_order_in_which_it_goes_on(database: Database) -> None:
    made = [await stored_proposal(database, priority=priority) for priority in (3, 1, 3)]
    async with database.transaction() as connection:
        await connection.execute(update(proposals).values(state="ready", held_on=on_breaker(KIND)))
    async with database.reading() as connection:
        found = await breaker_reads.held(connection, "default", [KIND, "kind:none"])
        probes = await held_reads.named(connection, "default", [made[0].id, "prp_none"])
    assert [one.id for one in found[KIND].first] == [made[1].id, made[0].id, made[2].id]
    assert (found[KIND].count, found["kind:none"].count) == (3, 0)
    assert list(probes) == [made[0].id]
