"""How a proposal closes that had an effect: what it holds is given back in the transaction that moves it.

Locks are taken in the fixed order. What changed nothing closes by `adapters/store/closing.py`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.costing import Outcome, commit_verified
from activities.outcomes import effect_outcomes
from adapters.store import breakers, leases, ledger, proposals
from adapters.store.batch import Batch
from contracts.configuration import BreakerLimits, Configuration
from contracts.principal import SYSTEM
from contracts.proposal import ProposalState


async def close_after_success(
    connection: AsyncConnection,
    row: Row[Any],
    reason_code: str,
    configuration: Configuration,
    outcome: Outcome,
    *,
    beside: Batch | None = None,
) -> None:
    """Close a locked proposal whose effect was verified: what it costs from the effect on is money spent.

    `beside`: what else is to be written with it, by this and by the other ending.
    """
    batch = beside or Batch()
    await leases.free(connection, batch, proposals.domain_of(row), row.id)
    await _record(connection, row, ProposalState.SUCCEEDED, reason_code, configuration.limits.breaker)
    await commit_verified(connection, batch, row, configuration, outcome)
    proposals.add_move(batch, row, ProposalState.SUCCEEDED, actor=SYSTEM, reason_code=reason_code)
    await batch.send(connection)


async def close_after_failure(
    connection: AsyncConnection,
    row: Row[Any],
    state: ProposalState,
    reason_code: str,
    limits: BreakerLimits,
    *,
    beside: Batch | None = None,
) -> None:
    """Close a locked proposal whose effect went wrong. `dirty` keeps lease and reservation for a person to resolve."""
    batch = beside or Batch()
    if state is not ProposalState.DIRTY:
        await leases.free(connection, batch, proposals.domain_of(row), row.id)
    await _record(connection, row, state, reason_code, limits)
    if state is not ProposalState.DIRTY:
        await ledger.release_all(connection, row.id)
    proposals.add_move(batch, row, state, actor=SYSTEM, reason_code=reason_code)
    await batch.send(connection)


async def _record(
    connection: AsyncConnection,
    row: Row[Any],
    state: ProposalState,
    reason_code: str,
    limits: BreakerLimits,
) -> None:
    outcomes = effect_outcomes(row, state, reason_code)
    await breakers.record(connection, outcomes, limits, row.now, tenant=row.tenant)
