"""PROPOSAL → an end at which nothing was changed: what it holds is given back in the transaction that moves it."""

from __future__ import annotations

from datetime import datetime
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
    await pass_on(connection, row.held_on, domain, row.now)


async def pass_on(connection: AsyncConnection, held_on: str | None, domain: str, now: datetime) -> None:
    """Wake the next that a free lease or a breaker due for its probe holds: who may have been woken waits no longer.

    Each that leaves wakes one, and who stays wakes none.
    """
    if held_on is None:
        return
    if held_on == domain:
        is_free = await leases.owner_of(connection, domain) is None
    else:
        is_free = await breakers.is_due(connection, held_on, now)
    if is_free:
        await proposals.wake_held(connection, held_on)
