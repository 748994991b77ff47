"""How a proposal closes: what it holds is given back in the transaction that moves it, in the fixed order of locks."""

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
from contracts.proposal import Draft, ProposalState


async def close_without_effect(
    connection: AsyncConnection,
    row: Row[Any],
    state: ProposalState,
    reason_code: str,
    message: str = "",
    *,
    beside: Batch | None = None,
) -> None:
    """Close a locked proposal that changed nothing: lease, breaker probe and budget are free again.

    `beside`: what else is to be written with it, by this and by the other endings.
    """
    batch = beside or Batch()
    await leases.free(connection, batch, _domain(row), row.id)
    await breakers.release_probes(connection, row.id, tenant=row.tenant)
    await ledger.release_all(connection, row.id)
    proposals.add_move(batch, row, state, actor=SYSTEM, reason_code=reason_code, message=message)
    await batch.send(connection)
    if row.held_on == _domain(row):
        await leases.pass_on(connection, _domain(row))


async def close_after_success(
    connection: AsyncConnection,
    row: Row[Any],
    reason_code: str,
    configuration: Configuration,
    outcome: Outcome,
    *,
    beside: Batch | None = None,
) -> None:
    """Close a locked proposal whose effect was verified: what it costs from the effect on is money spent."""
    batch = beside or Batch()
    await leases.free(connection, batch, _domain(row), row.id)
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
        await leases.free(connection, batch, _domain(row), row.id)
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


def _domain(row: Row[Any]) -> str:
    return Draft.model_validate(row.draft).action.target.serialisation_domain
