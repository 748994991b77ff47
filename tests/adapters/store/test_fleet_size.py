"""How many nodes the fleet has, as a guard pass reads it beside its proposal: known whole, or not known."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from adapters.store import fleet, guard_pass
from adapters.store.database import Database
from adapters.store.fleet import Look
from contracts.base import utc_now
from contracts.messages import PassInput
from tests.adapters.store.samples import stored_proposal
from tests.contracts.samples import observation, resize

TARGET = resize().target


def look(pool: str, *sizes: int, at: datetime | None = None) -> Look:
    seen = observation(*sizes).model_copy(update={"taken_at": at or utc_now()})
    return Look(TARGET.model_copy(update={"node_pool": pool}), "production", "inference", observation=seen)


def unseen(pool: str) -> Look:
    target = TARGET.model_copy(update={"node_pool": pool})
    return Look(target, "production", "inference", reason_code="provider_unavailable")


async def counted(
    database: Database, *looks: Look, tenant: str = "default", asked: bool = True
) -> int | None:
    proposal = await stored_proposal(database)
    async with database.transaction() as connection:
        await fleet.record(connection, tenant, looks, utc_now())
    given = PassInput(proposal_id=proposal.id, revision=1, pass_number=1)
    return (await guard_pass.load(database, given, with_fleet=asked)).fleet_nodes


async def test_target_sizes_of_every_pool_and_zone_add_up(database: Database) -> None:
    assert await counted(database, look("a", 1, 2, 3), look("b", 4, 0, 0)) == 10


async def test_it_is_counted_only_when_asked_for(database: Database) -> None:
    assert await counted(database, look("a", 1, 2, 3), asked=False) is None


@pytest.mark.parametrize("case", ["nothing_seen", "one_never_seen", "one_seen_long_ago", "another_tenants"])
async def test_what_was_not_seen_whole_is_not_known(database: Database, case: str) -> None:
    known = look("a", 1, 2, 3)
    if case == "nothing_seen":
        assert await counted(database) is None
    elif case == "one_never_seen":
        assert await counted(database, known, unseen("b")) is None
    elif case == "one_seen_long_ago":
        assert await counted(database, known, look("b", at=utc_now() - timedelta(hours=2))) is None
    else:
        assert await counted(database, known, tenant="other") is None
