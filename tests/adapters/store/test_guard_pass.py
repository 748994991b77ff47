from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import insert, text

from adapters.store import guard_pass, rate
from adapters.store.database import Database
from adapters.store.guard_pass import Place
from adapters.store.schema import breakers, rate_buckets
from contracts.errors import NotFound
from contracts.messages import PassInput
from tests.adapters.store.samples import stored_proposal
from tests.steps import take_lease

pytestmark = pytest.mark.postgres_15

DOMAIN = "gke.cluster/acme-prod/europe-west4/serving"
TARGET = "gke.node_pool/acme-prod/europe-west4/serving/inference"
BREAKER = "kind:gke.node_pool.resize"


def place(agent: str | None) -> Place:
    keys = tuple(rate.bucket_keys("default", TARGET, agent).values())
    return Place(DOMAIN, TARGET, agent, keys, (BREAKER,))


async def is_locked(database: Database, table: str) -> bool:
    """Tell whether somebody holds the one row of a table."""
    async with database.transaction() as connection:
        free = await connection.execute(text(f"SELECT 1 FROM {table} FOR UPDATE SKIP LOCKED"))  # noqa: S608
        return free.one_or_none() is None


@pytest.mark.parametrize("agent", [None, "local/capacity-agent"])
async def test_an_admitting_pass_locks_proposal_then_lease_then_buckets_and_breaker(
    database: Database, agent: str | None
) -> None:
    proposal = await stored_proposal(database)
    given = PassInput(proposal_id=proposal.id, revision=1, pass_number=2)
    async with database.transaction() as connection:
        await take_lease(connection, DOMAIN, "prp_other")
        await connection.execute(insert(breakers).values(id=BREAKER, state="open"))

    async def lock() -> None:
        async with database.transaction() as connection:
            await guard_pass.lock(connection, given, place(agent), admitting=True)
            assert await is_locked(database, "breakers")

    async with database.transaction() as connection:
        await connection.execute(text("SELECT 1 FROM leases FOR UPDATE"))
        waiting = asyncio.create_task(lock())
        await asyncio.sleep(0.3)
        assert not waiting.done()
        assert await is_locked(database, "proposals")
        assert not await is_locked(database, "breakers")
        async with database.reading() as reader:
            assert (await reader.execute(text("SELECT count(*) FROM rate_buckets"))).scalar_one() == 0
    await waiting


async def test_buckets_come_before_breakers_and_after_the_lease(database: Database) -> None:
    proposal = await stored_proposal(database)
    given = PassInput(proposal_id=proposal.id, revision=1, pass_number=2)
    async with database.transaction() as connection:
        await take_lease(connection, DOMAIN, "prp_other")
        await connection.execute(insert(breakers).values(id=BREAKER, state="open"))
        await connection.execute(
            insert(rate_buckets).values(key="fleet", deficit=0, as_of=proposal.created_at)
        )

    async def lock() -> None:
        async with database.transaction() as connection:
            await guard_pass.lock(connection, given, place(None), admitting=True)

    async with database.transaction() as connection:
        await connection.execute(text("SELECT 1 FROM rate_buckets WHERE key = 'fleet' FOR UPDATE"))
        waiting = asyncio.create_task(lock())
        await asyncio.sleep(0.3)
        assert not waiting.done()
        assert await is_locked(database, "leases")
        assert not await is_locked(database, "breakers")
    await waiting


async def test_a_first_pass_waits_for_nobodys_lease(database: Database) -> None:
    proposal = await stored_proposal(database)
    given = PassInput(proposal_id=proposal.id, revision=1, pass_number=1)
    async with database.transaction() as connection:
        await take_lease(connection, DOMAIN, "prp_other")
    async with database.transaction() as holder, database.transaction() as connection:
        await holder.execute(text("SELECT 1 FROM leases FOR UPDATE"))
        locked = await asyncio.wait_for(
            guard_pass.lock(connection, given, place("local/capacity-agent"), admitting=False), 2
        )
    assert locked.row.id == proposal.id


async def test_two_passes_of_one_agent_on_different_clusters_take_turns(database: Database) -> None:
    first, second = await stored_proposal(database), await stored_proposal(database)
    elsewhere = Place("gke.cluster/p/l/other", "t", "local/a", ("agent:local/a", "target:t"), ())
    here = Place(DOMAIN, "u", "local/a", ("agent:local/a", "target:u"), ())

    async def lock(proposal_id: str, at: Place) -> None:
        given = PassInput(proposal_id=proposal_id, revision=1, pass_number=2)
        async with database.transaction() as connection:
            await guard_pass.lock(connection, given, at, admitting=True)

    async with database.transaction() as connection:
        given = PassInput(proposal_id=first.id, revision=1, pass_number=2)
        await guard_pass.lock(connection, given, here, admitting=True)
        waiting = asyncio.create_task(lock(second.id, elsewhere))
        await asyncio.sleep(0.2)
        assert not waiting.done()
    await waiting


async def test_an_unknown_proposal_is_said_to_be_unknown(database: Database) -> None:
    given = PassInput(proposal_id="prp_none", revision=1, pass_number=1)
    with pytest.raises(NotFound):
        await guard_pass.load(database, given)
    async with database.transaction() as connection:
        with pytest.raises(NotFound):
            await guard_pass.lock(connection, given, place(None), admitting=False)


async def test_the_statements_of_a_pass_are_planned_once_and_those_of_others_as_ever(
    database: Database,
) -> None:
    proposal = await stored_proposal(database)
    given = PassInput(proposal_id=proposal.id, revision=1, pass_number=1)
    async with database.transaction() as connection:
        await guard_pass.lock(connection, given, place(None), admitting=False)
        assert (await connection.execute(text("SHOW plan_cache_mode"))).scalar_one() == "force_generic_plan"
    async with database.transaction() as connection:
        assert (await connection.execute(text("SHOW plan_cache_mode"))).scalar_one() == "auto"
