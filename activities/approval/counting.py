"""APPROVAL and EXECUTION: which stored approvals count. Asked when a vote is taken, and again before the effect."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import decisions
from contracts import eligibility
from contracts.decision import DecisionRules
from contracts.evaluation import ApprovalRequirement
from contracts.principal import Principal
from contracts.proposal import Proposal


async def valid_approvals(
    connection: AsyncConnection,
    proposal: Proposal,
    requirement: ApprovalRequirement,
    public_keys: Mapping[str, str],
) -> tuple[Principal, ...]:
    """Return who validly approved this revision: signed under our keys, in time, by people other than the authors.

    Stored votes are believed no more than messages are: each signature is checked again.
    """
    rules = DecisionRules(
        proposal_digest=proposal.digest,
        revision=proposal.revision,
        decide_by=proposal.decide_by,
        authors=proposal.authors,
        requirement=requirement,
        public_keys=dict(public_keys),
    )
    counted: dict[tuple[str, str], Principal] = {}
    for signed in await decisions.approvals(connection, proposal.id, proposal.revision):
        reviewer = signed.decision.reviewer
        refusal = eligibility.decision_refusal(
            signed,
            rules,
            tenant=proposal.tenant,
            proposal_id=proposal.id,
            now=signed.decision.at,
            voted=counted,
        )
        if refusal is None:
            counted[eligibility.voter(reviewer)] = reviewer
    return tuple(counted.values())
