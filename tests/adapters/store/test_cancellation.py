"""A cancelled proposal holds nothing any more, and its workflow hears of it; what has begun is not cancelled."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from adapters.store import cancellation, leases, outbox_queue
from adapters.store.database import Database
from adapters.store.outbox import OutboxKind
from adapters.store.schema import proposals
from contracts.proposal import Proposal, ProposalState
from contracts.safety import BreakerState
from tests.adapters.store import test_breakers as breaking
from tests.adapters.store.ledger_money import amount, balance, reserved
from tests.adapters.store.samples import stored_proposal
from tests.contracts.samples import ANA
from tests.steps import take_lease

HOUR = timedelta(hours=1)


async def cancel(database: Database, proposal: Proposal, delay: timedelta = timedelta(0)) -> int | None:
    async with database.transaction() as connection:
        return await cancellation.cancel(connection, proposal.id, ANA, "cancelled_by_requester", delay=delay)


async def lease_owner(database: Database, proposal: Proposal) -> str | None:
    async with database.reading() as connection:
        return await leases.owner_of(connection, proposal.action.target.serialisation_domain)


async def leased(database: Database, proposal: Proposal) -> None:
    async with database.transaction() as connection:
        assert await take_lease(connection, proposal.action.target.serialisation_domain, proposal.id)


async def test_a_cancelled_proposal_frees_its_cluster(database: Database) -> None:
    proposal = await stored_proposal(database)
    await leased(database, proposal)
    assert await cancel(database, proposal)
    assert await lease_owner(database, proposal) is None


async def test_a_cancelled_proposal_leaves_its_turn_at_a_free_cluster_to_the_next(database: Database) -> None:
    cancelled, following = await stored_proposal(database), await stored_proposal(database)
    domain = cancelled.action.target.serialisation_domain
    async with database.transaction() as connection:
        await connection.execute(update(proposals).values(state="ready", held_on=domain))
    assert await cancel(database, cancelled, HOUR)
    async with database.transaction() as connection:
        due = await outbox_queue.claim(connection, [OutboxKind.WAKE], limit=10, lease=HOUR)
    assert [row.subject for row in due] == [following.id]


async def test_a_cancelled_proposal_gives_its_probe_to_the_next(database: Database) -> None:
    proposal = await stored_proposal(database)
    for _ in range(breaking.LIMITS.failures):
        await breaking.record(database, ok=False)
    await breaking.probe(database, proposal.id)
    assert await cancel(database, proposal)
    found = await breaking.breaker(database)
    assert found is not None
    assert (found.state, found.probe_owner) == (BreakerState.OPEN, None)


async def test_a_cancelled_proposal_gives_its_money_back(database: Database) -> None:
    proposal = await reserved(database, amount("100"))
    assert await cancel(database, proposal)
    assert (await balance(database)).reserved == 0


async def test_a_cancelled_proposal_wakes_its_workflow_after_the_delay(database: Database) -> None:
    at_once, later = await stored_proposal(database), await stored_proposal(database)
    wakes = [await cancel(database, at_once), await cancel(database, later, HOUR)]
    async with database.transaction() as connection:
        due = await outbox_queue.claim(connection, [OutboxKind.WAKE], limit=10, lease=HOUR)
    assert [(row.id, row.subject, row.payload) for row in due] == [
        (wakes[0], at_once.id, {"reason_code": "cancelled_by_requester"})
    ]


@pytest.mark.parametrize(
    "state", [ProposalState.EXECUTING, ProposalState.VERIFYING, ProposalState.DIRTY, ProposalState.SUCCEEDED]
)
async def test_what_has_begun_is_not_cancelled_and_keeps_what_it_holds(
    database: Database, state: ProposalState
) -> None:
    proposal = await reserved(database, amount("100"))
    await leased(database, proposal)
    async with database.transaction() as connection:
        begun = update(proposals).where(proposals.c.id == proposal.id).values(state=state.value)
        await connection.execute(begun)
    assert await cancel(database, proposal) is None
    assert await lease_owner(database, proposal) == proposal.id
    assert (await balance(database)).reserved == 100
