"""PROPOSAL → cancelled: the one way a proposal ends early, whoever asks: a person, or an alert that resolved."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import outbox, proposals
from adapters.store.closing import close_without_effect
from adapters.store.outbox import OutboxKind
from contracts.approval import may_cancel
from contracts.principal import Principal
from contracts.proposal import ProposalState


async def cancel(
    connection: AsyncConnection,
    proposal_id: str,
    actor: Principal,
    reason_code: str,
    message: str = "",
    *,
    delay: timedelta = timedelta(0),
) -> int | None:
    """Cancel a proposal whose effect has not begun: free its lease, probes and money, queue a wake for its workflow.

    Return the id of the wake's outbox row, due after `delay`. None when the effect has begun or the proposal is
    closed: then nothing was changed. Everything joins the caller's transaction.

    Raises:
        NotFound: there is no such proposal.
    """
    row = await proposals.lock(connection, proposal_id)
    if not may_cancel(ProposalState(row.state)):
        return None
    await close_without_effect(connection, row, ProposalState.CANCELLED, reason_code, message, actor=actor)
    return await outbox.put(
        connection, OutboxKind.WAKE, proposal_id, {"reason_code": reason_code}, delay=delay
    )
