"""PROPOSAL, ended by a person: cancel before anything changed, or resolve after something went wrong.

Each is one transaction that moves the state, frees what the proposal held and queues a wake signal; the workflow
follows (docs/adr/0005). Locks are taken in the store's fixed order.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.costing import Outcome, commit_verified, effect_began
from adapters.store import cancellation, leases, ledger, proposals
from adapters.store.batch import Batch
from api.idempotency import Answer, Claim
from api.parts import ApiParts
from api.problems import Problem, not_found
from api.proposals.schemas import Moved, ResolveBody, ResolvedAs
from contracts.errors import NotFound
from contracts.principal import Principal, Role
from contracts.proposal import Draft, ProposalState

_RESOLVED = {
    ResolvedAs.SUCCEEDED: ProposalState.SUCCEEDED,
    ResolvedAs.ROLLED_BACK: ProposalState.ROLLED_BACK,
    ResolvedAs.FAILED: ProposalState.FAILED,
}


async def locked(parts: ApiParts, connection: AsyncConnection, proposal_id: str) -> Row[Any]:
    """Return the proposal's row, locked.

    Raises:
        Problem: 404, also for another tenant's.
    """
    try:
        row = await proposals.lock(connection, proposal_id)
    except NotFound as error:
        raise not_found("proposal") from error
    if row.tenant != parts.tenant:
        raise not_found("proposal")
    return row


async def cancel(parts: ApiParts, proposal_id: str, reason: str, caller: Principal, claim: Claim) -> Answer:
    """Cancel a proposal that has not begun to change anything.

    Raises:
        Problem: 403 neither its requester nor an operator; 404; 409 it executes or is over.
    """
    async with parts.database.transaction() as connection:
        earlier = await claim.earlier(connection)
        if earlier is not None:
            return earlier
        row = await locked(parts, connection, proposal_id)
        _may_cancel(row, caller)
        if not await cancellation.cancel(connection, proposal_id, caller, "cancelled_by_person", reason):
            raise Problem(409, "not_cancellable", f"It is {row.state}: what executes or is over stays.")
        moved = Moved(proposal_id=proposal_id, state=ProposalState.CANCELLED)
        return await claim.keep(connection, Answer.of(200, moved))


def _may_cancel(row: Row[Any], caller: Principal) -> None:
    requester = Draft.model_validate(row.draft).requester
    if Role.OPERATOR not in caller.roles and not caller.same_as(requester):
        raise Problem(403, "not_your_proposal", "Only its requester and operators may cancel a proposal.")


async def resolve(
    parts: ApiParts, proposal_id: str, body: ResolveBody, operator: Principal, claim: Claim
) -> Answer:
    """Leave `dirty` on an operator's word; settle its money and free its target.

    Raises:
        Problem: 404; 409 it is not dirty.
    """
    async with parts.database.transaction() as connection:
        earlier = await claim.earlier(connection)
        if earlier is not None:
            return earlier
        row = await locked(parts, connection, proposal_id)
        if ProposalState(row.state) is not ProposalState.DIRTY:
            raise Problem(409, "not_dirty", f"Only a dirty proposal is resolved; this is {row.state}.")
        await leases.release(connection, proposals.domain_of(row), proposal_id)
        batch = Batch()
        if body.outcome is ResolvedAs.SUCCEEDED:
            outcome = Outcome(since=await effect_began(connection, row))
            await commit_verified(connection, batch, row, parts.configuration, outcome)
        else:
            await ledger.release_all(connection, proposal_id)
        proposals.add_move(
            batch,
            row,
            _RESOLVED[body.outcome],
            actor=operator,
            reason_code="resolved_by_operator",
            message=body.reason,
        )
        await batch.send(connection)
        moved = Moved(proposal_id=proposal_id, state=_RESOLVED[body.outcome])
        return await claim.keep(connection, Answer.of(200, moved))
