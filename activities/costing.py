"""VERIFICATION, the money: what was verified is committed, what was reserved beyond it is released. One transaction.

The proposal's row is locked by the caller. Windows are judged by the database's clock under their locks: a window that
another transaction opened meanwhile has taken over the run-rate, so the change must be booked there too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import intents, ledger
from adapters.store.batch import Batch
from adapters.store.database import database_now
from adapters.store.ledger import Balance, Cap, Share, Subject, WindowKey, costs
from contracts.action_cost import ActionCost
from contracts.configuration import Budget, Configuration
from contracts.effect import Receipt, Step, Verification, idempotency_key
from contracts.evaluation import CostEstimate
from contracts.money import CENT
from contracts.proposal import Proposal
from guardrails.budget.actual import shares_of, verified_delta
from guardrails.budget.cost import HOURS_PER_MONTH


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known of an effect that counts."""

    since: datetime
    """When it took place; nothing ran before."""
    verification: Verification | None = None
    """None where a person says that it succeeded: then the estimate stands."""


async def commit_verified(
    connection: AsyncConnection, batch: Batch, row: Row[Any], configuration: Configuration, outcome: Outcome
) -> None:
    """Commit a locked proposal's verified cost, release the rest, and keep estimate and reality side by side.

    Without an estimate (no pass knew a price) everything that is reserved is committed, at once.
    """
    known = await costs.known_of(connection, row.id)
    estimate = known.estimate
    if estimate is None or row.document is None:
        await ledger.commit_all(connection, row.id)
        return
    proposal = Proposal.model_validate(row.document)
    nodes = estimate.node_delta
    if outcome.verification is not None:
        nodes = verified_delta(proposal.action, proposal.observation, outcome.verification)
    covering = configuration.covering(configuration.registered(proposal.action.target), proposal.agent_name)
    hourly = nodes * estimate.price_per_node_hour
    now = await _settle(connection, batch, row, covering, hourly, outcome.since)
    if not known.is_recorded:
        costs.add_record(batch, _cost(row, covering, estimate, nodes, now))


async def effect_began(connection: AsyncConnection, row: Row[Any]) -> datetime:
    """Return when the provider took the forward call of a proposal, or now where no receipt says it."""
    record = await intents.find(connection, idempotency_key(row.id, row.revision, Step.FORWARD))
    if record is None or record.receipt is None:
        return await database_now(connection)
    receipt = Receipt.model_validate(record.receipt)
    return receipt.issued_at or receipt.finished_at


def caps_of(windows: Sequence[tuple[Budget, str]]) -> Mapping[WindowKey, Cap]:
    """Return the cap of each window, given with the budget that it belongs to."""
    return {(budget.key, window): Cap(budget.limit, budget.alerts) for budget, window in windows}


async def _settle(
    connection: AsyncConnection,
    batch: Batch,
    row: Row[Any],
    covering: tuple[Budget, ...],
    hourly: Decimal,
    since: datetime,
) -> datetime:
    """Add the settlement, and return the moment that it is of."""
    positions = await ledger.positions_of(connection, row.id)
    opened: dict[WindowKey, Balance] = {}
    since, now = min(since, row.now), row.now
    while True:
        shares = shares_of(covering, since=since, now=now)
        booked = [
            Share(one.budget.key, one.window, one.budget.currency, one.hours, one.whole, one.is_present)
            for one in shares
        ]
        balances = await ledger.lock_windows(connection, row.tenant, ledger.windows_of(booked, positions))
        opened |= {one.key: one for one in balances}
        # Under the locks the clock must still name the windows that were locked.
        now = await database_now(connection)
        if shares_of(covering, since=since, now=now) == shares:
            break
    subject, balances = Subject(row.tenant, proposal_id=row.id), tuple(opened.values())
    caps = caps_of([(one.budget, one.window) for one in shares])
    ledger.add_settlement(batch, subject, positions, booked, hourly, balances=balances, caps=caps)
    return now


def _cost(
    row: Row[Any], covering: tuple[Budget, ...], estimate: CostEstimate, nodes: int, now: datetime
) -> ActionCost:
    price = estimate.price_per_node_hour
    return ActionCost(
        proposal_id=row.id,
        tenant=row.tenant,
        scopes=tuple(sorted({budget.key for budget in covering})),
        currency=estimate.currency,
        price_per_node_hour=price,
        price_source=estimate.price_source,
        price_as_of=estimate.price_as_of,
        estimated_nodes=estimate.node_delta,
        verified_nodes=nodes,
        estimated_hourly=estimate.node_delta * price,
        verified_hourly=nodes * price,
        estimated_monthly=_monthly(estimate.node_delta * price),
        verified_monthly=_monthly(nodes * price),
        at=now,
    )


def _monthly(hourly: Decimal) -> Decimal:
    return (hourly * HOURS_PER_MONTH).quantize(CENT, rounding=ROUND_HALF_UP)
