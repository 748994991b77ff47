"""The write-ahead record obeys the fence: what a newer attempt took over, an older one can no longer write."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import intents, leases
from adapters.store.database import Database
from adapters.store.schema import leases as lease_rows
from contracts.base import utc_now
from contracts.effect import Intent, Receipt, ReceiptOutcome, Step, idempotency_key
from contracts.errors import StaleFence
from contracts.proposal import Proposal
from tests.adapters.store.samples import stored_proposal
from tests.steps import take_lease, write_intent, write_receipt

LASTS = timedelta(minutes=1)


def domain_of(proposal: Proposal) -> str:
    return proposal.action.target.serialisation_domain


async def attempt(database: Database, proposal: Proposal) -> Intent:
    """Take the lease, raise the fence and write the intent, as the intent transaction does."""
    async with database.transaction() as connection:
        await take_lease(connection, domain_of(proposal), proposal.id)
        deadline = utc_now() + LASTS
        grant = await leases.raise_fence(connection, domain_of(proposal), proposal.id, deadline)
        intent = Intent(
            key=idempotency_key(proposal.id, 1, Step.FORWARD),
            proposal_id=proposal.id,
            revision=1,
            step=Step.FORWARD,
            action=proposal.action,
            precondition=proposal.precondition,
            prior=proposal.observation,
            fence=grant.fence,
            call_deadline=deadline,
        )
        await write_intent(connection, intent, "default")
    return intent


def receipt(intent: Intent) -> Receipt:
    return Receipt(
        key=intent.key,
        proposal_id=intent.proposal_id,
        step=intent.step,
        fence=intent.fence,
        outcome=ReceiptOutcome.APPLIED,
        mode="practice",
        finished_at=utc_now(),
    )


async def deadline_passed(database: Database, proposal: Proposal) -> bool:
    async with database.reading() as connection:
        wanted = select(lease_rows.c.call_deadline).where(lease_rows.c.domain == domain_of(proposal))
        moment = (await connection.execute(wanted)).scalar_one()
    return bool(moment <= utc_now() + LASTS / 2)


async def issue(connection: AsyncConnection, intent: Intent) -> None:
    await intents.issue(connection, intent, "operation-1", "default", utc_now(), adopted=False)


async def conclude(connection: AsyncConnection, intent: Intent) -> None:
    await write_receipt(connection, receipt(intent), "default")


@pytest.mark.parametrize("write", [issue, conclude])
async def test_an_older_attempt_writes_neither_operation_nor_receipt(
    database: Database, write: Callable[[AsyncConnection, Intent], Awaitable[None]]
) -> None:
    older = await attempt(database, await stored_proposal(database))
    async with database.transaction() as connection:
        await intents.take_over(connection, older.key, older.fence + 1)
    with pytest.raises(StaleFence):
        async with database.transaction() as connection:
            await write(connection, older)
    async with database.transaction() as connection:
        assert not await intents.is_current(connection, older.key, older.fence)
        await write(connection, older.model_copy(update={"fence": older.fence + 1}))


async def test_an_older_attempt_withdraws_nothing_and_ends_no_deadline(database: Database) -> None:
    proposal = await stored_proposal(database)
    older = await attempt(database, proposal)
    newer = await attempt(database, proposal)
    async with database.transaction() as connection:
        await intents.withdraw(connection, older.key, proposal.id, older.fence)
        assert (await intents.look(connection, proposal.id, older.key)).settled_at is None
    assert not await deadline_passed(database, proposal)
    async with database.transaction() as connection:
        await intents.withdraw(connection, newer.key, proposal.id, newer.fence)
        assert (await intents.look(connection, proposal.id, newer.key)).settled_at is not None
    assert await deadline_passed(database, proposal)


async def test_a_fence_that_is_not_higher_writes_no_intent(database: Database) -> None:
    intent = await attempt(database, await stored_proposal(database))
    for fence in (intent.fence, intent.fence - 1):
        with pytest.raises(StaleFence):
            async with database.transaction() as connection:
                await write_intent(connection, intent.model_copy(update={"fence": fence}), "default")


async def test_after_the_receipt_nothing_acts_on_the_key(database: Database) -> None:
    intent = await attempt(database, await stored_proposal(database))
    async with database.transaction() as connection:
        await conclude(connection, intent)
    higher = intent.model_copy(update={"fence": intent.fence + 1})
    with pytest.raises(StaleFence):
        async with database.transaction() as connection:
            await write_intent(connection, higher, "default")
    with pytest.raises(StaleFence):
        async with database.transaction() as connection:
            await conclude(connection, intent)
    async with database.reading() as connection:
        assert not await intents.is_current(connection, intent.key, intent.fence)


async def test_taking_over_never_lowers_a_fence(database: Database) -> None:
    intent = await attempt(database, await stored_proposal(database))
    async with database.transaction() as connection:
        await intents.take_over(connection, intent.key, intent.fence - 1)
        assert await intents.is_current(connection, intent.key, intent.fence)


async def test_the_end_of_a_call_leaves_the_deadline_of_a_newer_attempt(database: Database) -> None:
    proposal = await stored_proposal(database)
    intent = await attempt(database, proposal)
    async with database.transaction() as connection:
        await connection.execute(update(lease_rows).values(fence=intent.fence + 1))
        await issue(connection, intent)
    assert not await deadline_passed(database, proposal)


async def test_operations_of_other_effects_are_named(database: Database) -> None:
    intent = await attempt(database, await stored_proposal(database))
    async with database.transaction() as connection:
        await issue(connection, intent)
        names = ["operation-1", "operation-2"]
        assert await intents.operations_of_others(connection, "another", names) == {"operation-1"}
        assert await intents.operations_of_others(connection, intent.key, names) == set()
