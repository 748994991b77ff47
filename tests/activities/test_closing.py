"""What each end of a proposal does with its money and its lease."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from sqlalchemy import select

from activities.closing import close_after_failure, close_after_success
from activities.costing import Outcome
from adapters.store import leases, ledger, proposals
from adapters.store.closing import close_without_effect
from adapters.store.database import Database
from adapters.store.ledger import Amount
from adapters.store.schema import budget_windows, outbox
from contracts.base import utc_now
from contracts.configuration import BreakerLimits, Configuration, Environment
from contracts.principal import SYSTEM
from contracts.proposal import Proposal, ProposalState
from contracts.safety import BreakerState
from tests.adapters.store import test_breakers as breaking
from tests.adapters.store.samples import stored_proposal
from tests.steps import reserve, take_lease

S = ProposalState
TEN = Amount(scope="tenant", window="month:2026-11", currency="USD", amount=Decimal(10))
CONFIGURATION = Configuration(environments={"production": Environment()})
BEGUN = (S.READY, S.EXECUTING)
HELD, SPENT, GIVEN_BACK = (10, 0), (0, 10), (0, 0)


@pytest.fixture
async def database(migrated_database_url: str) -> AsyncIterator[Database]:
    opened = Database(migrated_database_url)
    yield opened
    await opened.close()


async def under_way(database: Database, *path: ProposalState) -> Proposal:
    """A proposal that holds the lease and ten dollars, moved along `path`."""
    made = await stored_proposal(database)
    async with database.transaction() as connection:
        await take_lease(connection, made.action.target.serialisation_domain, made.id)
        await ledger.lock_windows(connection, "default", [("tenant", "month:2026-11", "USD")])
        await reserve(connection, "default", made.id, [TEN])
    for state in path:
        async with database.transaction() as connection:
            row = await proposals.lock(connection, made.id)
            await proposals.move(connection, row, state, actor=SYSTEM, reason_code="test", proposal=made)
    return made


async def close(database: Database, proposal: Proposal, state: ProposalState) -> None:
    async with database.transaction() as connection:
        row = await proposals.lock(connection, proposal.id)
        if state is S.SUCCEEDED:
            outcome = Outcome(since=utc_now())
            await close_after_success(connection, row, "test", CONFIGURATION, outcome)
        elif state in (S.FAILED, S.ROLLED_BACK, S.DIRTY):
            await close_after_failure(connection, row, state, "test", BreakerLimits())
        else:
            await close_without_effect(connection, row, state, "test")


async def test_an_end_without_effect_gives_its_probe_to_the_next(database: Database) -> None:
    proposal = await stored_proposal(database)
    for _ in range(breaking.LIMITS.failures):
        await breaking.record(database, ok=False)
    await breaking.probe(database, proposal.id)
    await close(database, proposal, S.DENIED)
    found = await breaking.breaker(database)
    assert found is not None
    assert (found.state, found.probe_owner) == (BreakerState.OPEN, None)


async def test_whoever_ends_when_its_turn_at_a_free_cluster_has_come_leaves_it_to_the_next(
    database: Database,
) -> None:
    ending, following = await stored_proposal(database), await stored_proposal(database)
    async with database.transaction() as connection:
        for one in (ending, following):
            row = await proposals.lock(connection, one.id)
            await proposals.move(connection, row, S.READY, actor=SYSTEM, reason_code="test")
            domain = one.action.target.serialisation_domain
            await proposals.hold(connection, row, domain, "target_busy", "busy")
    await close(database, ending, S.EXPIRED)
    async with database.reading() as connection:
        woken = (await connection.execute(select(outbox.c.kind, outbox.c.subject))).all()
    assert [tuple(one) for one in woken] == [("wake", following.id)]


@pytest.mark.parametrize(
    ("path", "state", "money", "keeps_lease"),
    [
        ((), S.DENIED, GIVEN_BACK, False),
        ((S.AWAITING_APPROVAL,), S.EXPIRED, GIVEN_BACK, False),
        ((S.READY,), S.EXPIRED, GIVEN_BACK, False),
        (BEGUN, S.STALE, GIVEN_BACK, False),
        (BEGUN, S.FAILED, GIVEN_BACK, False),
        (BEGUN, S.DIRTY, HELD, True),
        ((*BEGUN, S.VERIFYING), S.SUCCEEDED, SPENT, False),
        ((*BEGUN, S.VERIFYING), S.DIRTY, HELD, True),
        ((*BEGUN, S.ROLLING_BACK), S.ROLLED_BACK, GIVEN_BACK, False),
        ((*BEGUN, S.ROLLING_BACK), S.DIRTY, HELD, True),
    ],
)
async def test_every_end_settles_money_and_lease(
    database: Database,
    path: tuple[ProposalState, ...],
    state: ProposalState,
    money: tuple[int, int],
    keeps_lease: bool,
) -> None:
    proposal = await under_way(database, *path)
    await close(database, proposal, state)
    async with database.reading() as connection:
        owner = await leases.owner_of(connection, proposal.action.target.serialisation_domain)
        (sums,) = await connection.execute(select(budget_windows.c.reserved, budget_windows.c.committed))
    assert tuple(sums) == money
    assert owner == (proposal.id if keeps_lease else None)
