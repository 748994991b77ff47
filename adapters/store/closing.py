"""PROPOSAL → an end at which nothing was changed: what it holds is given back in the transaction that moves it."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import breakers, leases, ledger, proposals
from adapters.store.batch import Batch
from contracts.principal import SYSTEM, Principal
from contracts.proposal import ProposalState


async def close_without_effect(
    connection: AsyncConnection,
    row: Row[Any],
    state: ProposalState,
    reason_code: str,
    message: str = "",
    *,
    actor: Principal = SYSTEM,
    beside: Batch | None = None,
) -> None:
    """Close a locked proposal that changed nothing: lease, breaker probe and budget are free again, in lock order.

    `beside`: what else is to be written with it.
    """
    batch, domain = beside or Batch(), proposals.domain_of(row)
    await leases.free(connection, batch, domain, row.id)
    await breakers.release_probes(connection, row.id, tenant=row.tenant)
    await ledger.release_all(connection, row.id)
    proposals.add_move(batch, row, state, actor=actor, reason_code=reason_code, message=message)
    await batch.send(connection)
    if row.held_on == domain:
        await leases.pass_on(connection, domain)
