from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from adapters.store import fleet
from adapters.store.database import Database
from adapters.store.fleet import Look, SeenPool
from adapters.store.schema import proposals
from tests.adapters.store.samples import stored_proposal
from tests.contracts.samples import NOON, observation, resize

pytestmark = pytest.mark.postgres_15

TARGET = resize().target
SEEN = Look(TARGET, "production", "inference", observation=observation())
FAILED = Look(TARGET, "production", "inference", reason_code="provider_unavailable")
LATER = NOON + timedelta(minutes=1)


async def pool(database: Database) -> SeenPool | None:
    async with database.reading() as connection:
        return next(iter(await fleet.pools(connection, "default")), None)


async def record(database: Database, look: Look, minutes: int) -> SeenPool:
    async with database.transaction() as connection:
        await fleet.record(connection, "default", [look], NOON + timedelta(minutes=minutes))
    found = await pool(database)
    assert found is not None
    return found


async def test_a_failed_look_keeps_the_last_observation_beside_its_reason(database: Database) -> None:
    assert (await record(database, SEEN, 0)).reason_code is None
    shown = await record(database, FAILED, 1)
    assert (shown.observation, shown.reason_code, shown.looked_at) == (
        observation(),
        "provider_unavailable",
        LATER,
    )
    assert (await record(database, SEEN, 2)).reason_code is None


async def test_a_pool_that_was_never_read_has_no_observation(database: Database) -> None:
    assert (await record(database, FAILED, 0)).observation is None


async def test_an_older_look_that_comes_late_changes_nothing(database: Database) -> None:
    await record(database, SEEN, 2)
    assert (await record(database, FAILED, 1)).reason_code is None


async def test_a_forgotten_pool_is_not_listed(database: Database) -> None:
    await record(database, SEEN, 0)
    async with database.transaction() as connection:
        await fleet.forget(connection, "default", {TARGET.key})
    assert await pool(database) is None


async def test_open_and_dirty_proposals_are_pending_and_closed_ones_are_not(database: Database) -> None:
    open_one, dirty, done = [await stored_proposal(database) for _ in range(3)]
    async with database.transaction() as connection:
        for proposal, state in ((dirty, "dirty"), (done, "succeeded")):
            await connection.execute(
                update(proposals).where(proposals.c.id == proposal.id).values(state=state)
            )
    async with database.reading() as connection:
        found = await fleet.pending(connection, "default", [TARGET.key, "gke.node_pool/other"])
    assert [one.id for one in found[TARGET.key]] == [open_one.id, dirty.id]
    assert found["gke.node_pool/other"] == ()
