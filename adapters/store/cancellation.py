"""PROPOSAL → cancelled: the one way a proposal ends early, whoever asks: a person, or an alert that resolved."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import breakers, leases, ledger, outbox, proposals
from adapters.store.outbox import OutboxKind
from contracts.approval import may_cancel
from contracts.principal import Principal
from contracts.proposal import Draft, ProposalState


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
    domain = Draft.model_validate(row.draft).action.target.serialisation_domain
    await leases.release(connection, domain, proposal_id)
    await breakers.release_probes(connection, proposal_id, tenant=row.tenant)
    await ledger.release_all(connection, proposal_id)
    await proposals.move(
        connection, row, ProposalState.CANCELLED, actor=actor, reason_code=reason_code, message=message
    )
    if row.held_on == domain:
        await leases.pass_on(connection, domain)
    return await outbox.put(
        connection, OutboxKind.WAKE, proposal_id, {"reason_code": reason_code}, delay=delay
    )
