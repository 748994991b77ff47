"""What a verified change costs: committed by what runs, kept beside the estimate, told in the audit log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from decimal import ROUND_CEILING, Decimal

import pytest
from sqlalchemy import select

from activities.costing import Outcome, commit_verified
from adapters.configuration import parse
from adapters.store import ledger, proposals
from adapters.store.batch import Batch
from adapters.store.database import Database, database_now
from adapters.store.ledger import Amount, costs
from adapters.store.ledger.costs import OVERALL
from adapters.store.schema import action_costs, audit_events, budget_windows
from contracts.base import utc_now
from contracts.effect import Step, Verification
from contracts.evaluation import CostEstimate, Evaluation
from contracts.evaluation import Outcome as Said
from contracts.money import CENT
from contracts.principal import SYSTEM
from contracts.proposal import Proposal, ProposalState
from guardrails.budget.windows import window_at
from tests.adapters.store.samples import stored_proposal
from tests.contracts.samples import observation
from tests.database_clock import set_clock
from tests.steps import reserve
from tests.stored_evaluations import keep

CONFIGURATION = parse(
    """
environments: {production: {}}
targets:
  - {kind: gke.node_pool, project: acme-prod, location: europe-west4, cluster: serving, node_pool: "*",
     environment: production, team: inference, max_nodes_per_zone: 12}
budgets:
  - {scope: {environment: production}, window: month, limit: "40000"}
  - {scope: {agent: capacity-agent}, window: month, limit: "1"}
"""
)
(BUDGET, _) = CONFIGURATION.budgets
PRICE = Decimal("0.50")


@pytest.fixture
async def database(migrated_database_url: str) -> AsyncIterator[Database]:
    opened = Database(migrated_database_url)
    yield opened
    await opened.close()


async def reserved(database: Database, amount: str) -> Proposal:
    """Ready to be verified: six nodes more at 0.50 were expected, `amount` is reserved."""
    made = await stored_proposal(database)
    cost = CostEstimate(
        currency="USD",
        machine_type="g2-standard-8",
        region="europe-west4",
        node_delta=6,
        price_per_node_hour=PRICE,
        monthly_delta=Decimal(2190),
        price_source="list",
        price_as_of=date(2026, 11, 1),
    )
    evaluation = Evaluation(
        proposal_id=made.id,
        revision=1,
        pass_number=1,
        at=utc_now(),
        outcome=Said.ALLOW,
        verdicts=(),
        cost=cost,
    )
    async with database.transaction() as connection:
        await keep(connection, evaluation)
        row = await proposals.lock(connection, made.id)
        await proposals.move(
            connection, row, ProposalState.READY, actor=SYSTEM, reason_code="test", proposal=made
        )
        window = window_at(BUDGET, await database_now(connection))
        await reserve(
            connection,
            "default",
            made.id,
            [Amount(BUDGET.key, window.key, "USD", Decimal(amount), window.hours)],
        )
    return made


async def commit(database: Database, proposal: Proposal, *sizes: int) -> Decimal:
    """Verify these sizes, an hour after the window's last read; return the hours from the effect to its end."""
    found = Verification(
        key="k",
        proposal_id=proposal.id,
        step=Step.FORWARD,
        expected={},
        observed_zones=observation(*sizes).zones,
        matches=True,
        reason_code="verified",
        took_seconds=1,
        at=utc_now(),
    )
    async with database.transaction() as connection:
        row = await proposals.lock(connection, proposal.id)
        since, batch = row.now, Batch()
        await commit_verified(connection, batch, row, CONFIGURATION, Outcome(since, found if sizes else None))
        await batch.send(connection)
    return window_at(BUDGET, since).hours_left


async def sums(database: Database) -> tuple[Decimal, Decimal, Decimal]:
    async with database.reading() as connection:
        assert await ledger.verify(connection, "default") == ()
        (row,) = (await connection.execute(select(budget_windows))).all()
    return row.reserved, row.committed, row.hourly


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, rounding=ROUND_CEILING)


@pytest.mark.parametrize(
    ("sizes", "nodes"),
    [((4, 4, 4), 6), ((4, 4, 3), 5), ((2, 2, 2), 0), ((), 6)],
    ids=["as expected", "one node less", "no node", "on a person's word"],
)
async def test_what_runs_is_committed_and_the_rest_released(
    database: Database, sizes: tuple[int, ...], nodes: int
) -> None:
    proposal = await reserved(database, "3000")
    left = await commit(database, proposal, *sizes)
    assert await sums(database) == (Decimal(0), cents(nodes * PRICE * left), nodes * PRICE)
    async with database.reading() as connection:
        (row,) = (await connection.execute(select(action_costs))).all()
        kept = await costs.biases(connection, "default", utc_now() - timedelta(days=1))
        events = await connection.execute(
            select(audit_events.c.id).where(audit_events.c.type == "cost.recorded")
        )
        assert len(events.all()) == 1
    assert (row.estimated_nodes, row.verified_nodes, row.scopes) == (6, nodes, [BUDGET.key])
    assert (row.estimated_monthly, row.verified_monthly) == (2190, nodes * 365)
    assert set(kept) == {OVERALL, BUDGET.key}
    assert kept[OVERALL].share == (Decimal(nodes) / 6 - 1).quantize(Decimal("0.0001"))


async def test_a_month_that_ends_while_it_is_booked_counts_with_the_next_one(
    database: Database, migrated_database_url: str
) -> None:
    """Who opened the next month meanwhile took over what runs; this change was not among it."""
    proposal = await reserved(database, "3000")
    now = utc_now()
    window = window_at(BUDGET, now)
    await set_clock(migrated_database_url, window.ends_at - now - timedelta(hours=1))
    late = Database(migrated_database_url)
    async with late.transaction() as connection:
        row, batch = await proposals.lock(connection, proposal.id), Batch()
        await set_clock(migrated_database_url, window.ends_at - now + timedelta(hours=1))
        await commit_verified(connection, batch, row, CONFIGURATION, Outcome(row.now))
        await batch.send(connection)
    async with late.reading() as connection:
        assert await ledger.verify(connection, "default") == ()
        found = (await connection.execute(select(budget_windows))).all()
    await late.close()
    following = window_at(BUDGET, window.ends_at)
    assert {one.window: (one.reserved, one.committed, one.hourly) for one in found} == {
        window.key: (0, cents(6 * PRICE * window_at(BUDGET, row.now).hours_left), 0),
        following.key: (0, cents(6 * PRICE * following.hours), 6 * PRICE),
    }


async def test_without_an_estimate_everything_that_is_reserved_is_committed(database: Database) -> None:
    made = await stored_proposal(database)
    async with database.transaction() as connection:
        await reserve(
            connection, "default", made.id, [Amount(BUDGET.key, "month:2026-11", "USD", Decimal(10))]
        )
    await commit(database, made, 4, 4, 4)
    assert await sums(database) == (Decimal(0), Decimal(10), Decimal(0))


async def test_a_shrink_gives_back_from_what_was_committed(database: Database) -> None:
    await commit(database, await reserved(database, "3000"), 4, 4, 4)
    _, before, _ = await sums(database)
    left = await commit(database, await reserved(database, "0.01"), 1, 1, 1)
    open_, after, hourly = await sums(database)
    saved = before - after
    assert (open_, hourly) == (Decimal(0), 3 * PRICE)
    assert 3 * PRICE * left - Decimal("0.02") < saved <= 3 * PRICE * left
