"""APPROVAL, as people look for work: which proposals wait, for whom, and how soon. Reads only."""

from __future__ import annotations

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.schema import decisions, proposals
from contracts.decision import DecisionStatus
from contracts.principal import Principal, Role
from contracts.proposal import ProposalState

_STANDING = (DecisionStatus.RECORDED.value, DecisionStatus.APPLIED.value)


async def count_waiting_for(connection: AsyncConnection, tenant: str, reviewer: Principal) -> int:
    """Return how many proposals wait that an approver did not ask for and has not voted on."""
    if Role.APPROVER not in reviewer.roles:
        return 0
    name = f"{reviewer.issuer}/{reviewer.subject}"
    voted = exists().where(
        decisions.c.proposal_id == proposals.c.id,
        decisions.c.revision == proposals.c.revision,
        decisions.c.reviewer == name,
        decisions.c.status.in_(_STANDING),
    )
    waiting = select(func.count()).where(
        proposals.c.tenant == tenant,
        proposals.c.state == ProposalState.AWAITING_APPROVAL.value,
        proposals.c.requester != name,
        ~voted,
    )
    return int((await connection.execute(waiting)).scalar_one())
