from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import select, update

from activities.execution.attempt import EffectTimings
from adapters.store import leases
from adapters.store.batch import Batch
from adapters.store.database import Database, database_now
from adapters.store.schema import outbox, proposals
from contracts.errors import StaleFence
from settings import GkeSettings
from tests.adapters.store.blocked import somebody_waits
from tests.adapters.store.samples import stored_proposal
from tests.steps import take_lease
from tests.waiting import eventually

pytestmark = pytest.mark.postgres_15

DOMAIN = "gke.cluster/acme-prod/europe-west4/serving"


async def take(database: Database, owner: str) -> bool:
    async with database.transaction() as connection:
        return await take_lease(connection, DOMAIN, owner)


async def hold(database: Database, **changes: object) -> str:
    proposal = await stored_proposal(database, **changes)
    async with database.transaction() as connection:
        held = update(proposals).where(proposals.c.id == proposal.id).values(state="ready", held_on=DOMAIN)
        await connection.execute(held)
    return proposal.id


async def woken(database: Database) -> list[str]:
    async with database.reading() as connection:
        return list((await connection.execute(select(outbox.c.subject).order_by(outbox.c.id))).scalars())


async def test_a_lease_is_never_written_over_its_owner(database: Database) -> None:
    await take(database, "prp_1")
    batch = Batch()
    batch.add(leases.taking(DOMAIN, "prp_2"))
    async with database.transaction() as connection:
        await batch.send(connection)
        assert await leases.owner_of(connection, DOMAIN) == "prp_1"


async def test_only_its_owner_can_release_it(database: Database) -> None:
    await take(database, "prp_1")
    async with database.transaction() as connection:
        assert not await leases.release(connection, DOMAIN, "prp_2")
        assert await leases.release(connection, DOMAIN, "prp_1")
        assert not await leases.release(connection, DOMAIN, "prp_1")
    assert await take(database, "prp_2")


async def test_releasing_wakes_the_next_by_priority_then_by_age(database: Database) -> None:
    await take(database, "prp_1")
    await hold(database)
    urgent = await hold(database, priority=1)
    await hold(database, priority=1)
    async with database.transaction() as connection:
        await leases.release(connection, DOMAIN, "prp_1")
    assert await woken(database) == [urgent]


async def test_fences_only_rise_also_across_owners(database: Database) -> None:
    fences = []
    for owner in ("prp_1", "prp_1", "prp_2"):
        await take(database, owner)
        async with database.transaction() as connection:
            now = await database_now(connection)
            fences.append((await leases.raise_fence(connection, DOMAIN, owner, now)).fence)
            if owner == "prp_1" and len(fences) == 2:
                await leases.release(connection, DOMAIN, owner)
    assert fences == [1, 2, 3]


async def test_two_attempts_at_the_same_time_get_fences_of_their_own(database: Database) -> None:
    async def raised() -> int:
        async with database.transaction() as connection:
            now = await database_now(connection)
            return (await leases.raise_fence(connection, DOMAIN, "prp_1", now)).fence

    await take(database, "prp_1")
    async with database.transaction() as connection:
        now = await database_now(connection)
        first = await leases.raise_fence(connection, DOMAIN, "prp_1", now)
        another = asyncio.create_task(raised())
        await eventually(lambda: somebody_waits(database))
    assert (first.fence, await another) == (1, 2)


async def test_a_successor_is_told_how_long_the_call_before_it_may_be_in_flight(database: Database) -> None:
    await take(database, "prp_1")
    async with database.transaction() as connection:
        deadline = await database_now(connection) + timedelta(minutes=1)
        first = await leases.raise_fence(connection, DOMAIN, "prp_1", deadline)
        await leases.release(connection, DOMAIN, "prp_1")
    assert first.wait_until is None
    await take(database, "prp_2")
    async with database.transaction() as connection:
        second = await leases.raise_fence(connection, DOMAIN, "prp_2", deadline - timedelta(seconds=50))
        third = await leases.raise_fence(connection, DOMAIN, "prp_2", deadline)
    assert second.wait_until == deadline
    assert third.wait_until == deadline


async def test_a_deadline_from_before_the_clock_went_back_is_waited_for_no_longer_than_a_call_lasts(
    database: Database,
) -> None:
    await take(database, "prp_1")
    async with database.transaction() as connection:
        now = await database_now(connection)
        await leases.raise_fence(connection, DOMAIN, "prp_1", now + timedelta(hours=1))
        waits = [
            (await leases.raise_fence(connection, DOMAIN, "prp_1", now)).wait_until or now for _ in range(2)
        ]
        furthest = await database_now(connection) + leases.LONGEST_CALL
    assert all(now < one <= furthest for one in waits)


def test_no_call_may_be_set_to_last_longer_than_a_successor_waits_for_it() -> None:
    with pytest.raises(ValidationError):
        GkeSettings(call_timeout=leases.LONGEST_CALL - EffectTimings().call_margin)


async def test_a_deadline_that_is_over_is_not_waited_for(database: Database) -> None:
    await take(database, "prp_1")
    async with database.transaction() as connection:
        past = await database_now(connection) - timedelta(seconds=1)
        await leases.raise_fence(connection, DOMAIN, "prp_1", past)
        assert (await leases.raise_fence(connection, DOMAIN, "prp_1", past)).wait_until is None


@pytest.mark.parametrize("owner", ["prp_2", None])
async def test_who_does_not_own_the_lease_gets_no_fence(database: Database, owner: str | None) -> None:
    if owner is not None:
        await take(database, owner)
    async with database.transaction() as connection:
        now = await database_now(connection)
        with pytest.raises(StaleFence):
            await leases.raise_fence(connection, DOMAIN, "prp_1", now)
