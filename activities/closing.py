"""How a proposal closes: what it holds is given back in the transaction that moves it, in the fixed order of locks."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import breakers, leases, ledger, proposals
from adapters.store.database import database_now
from contracts.configuration import BreakerLimits
from contracts.principal import SYSTEM
from contracts.proposal import Draft, ProposalState


async def close_without_effect(
    connection: AsyncConnection, row: Row[Any], state: ProposalState, reason_code: str, message: str = ""
) -> None:
    """Close a locked proposal that changed nothing: lease, breaker probe and budget are free again."""
    await leases.release(connection, _domain(row), row.id)
    await breakers.release_probes(connection, row.id, tenant=row.tenant)
    await ledger.release_all(connection, row.id)
    await proposals.move(connection, row, state, actor=SYSTEM, reason_code=reason_code, message=message)


async def close_after_success(
    connection: AsyncConnection, row: Row[Any], reason_code: str, limits: BreakerLimits
) -> None:
    """Close a locked proposal whose effect was verified: the reservation becomes money spent."""
    await leases.release(connection, _domain(row), row.id)
    await _record(connection, row, limits, reason_code, ok=True)
    await ledger.commit_all(connection, row.id)
    await proposals.move(connection, row, ProposalState.SUCCEEDED, actor=SYSTEM, reason_code=reason_code)


async def close_after_failure(
    connection: AsyncConnection, row: Row[Any], state: ProposalState, reason_code: str, limits: BreakerLimits
) -> None:
    """Close a locked proposal whose effect went wrong. `dirty` keeps lease and reservation for a person to resolve."""
    if state is not ProposalState.DIRTY:
        await leases.release(connection, _domain(row), row.id)
    await _record(connection, row, limits, reason_code, ok=False)
    if state is not ProposalState.DIRTY:
        await ledger.release_all(connection, row.id)
    await proposals.move(connection, row, state, actor=SYSTEM, reason_code=reason_code)


async def _record(
    connection: AsyncConnection, row: Row[Any], limits: BreakerLimits, reason_code: str, *, ok: bool
) -> None:
    await breakers.record_outcome(
        connection,
        breakers.breaker_ids(row.target_key, row.action_kind),
        ok,
        reason_code,
        limits,
        await database_now(connection),
        tenant=row.tenant,
        proposal_id=row.id,
    )


def _domain(row: Row[Any]) -> str:
    return Draft.model_validate(row.draft).action.target.serialisation_domain
