"""APPROVAL and EXECUTION: which stored votes count. Asked when a vote is taken, and again before the effect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import decisions
from contracts import approval, eligibility
from contracts.decision import Decision, DecisionKind, DecisionRules, SignedDecision
from contracts.evaluation import ApprovalRequirement
from contracts.principal import Principal
from contracts.proposal import Draft, Proposal, ProposalState


async def ballot_of(
    connection: AsyncConnection,
    row: Row[Any],
    revision: int,
    public_keys: Mapping[str, str],
    *,
    deciding: str | None = None,
) -> approval.Ballot:
    """Return where the approval of a locked proposal stands, with the votes on a revision.

    `deciding` is the id of the decision that is being taken: it is not under way any more.
    """
    draft = Draft.model_validate(row.draft)
    rules: DecisionRules | None = None
    votes: Mapping[eligibility.Voter, Decision] = {}
    if row.document is not None and row.document["revision"] == revision:
        proposal = Proposal.model_validate(row.document)
        wanted = await decisions.requirement(connection, row.id, revision)
        rules = DecisionRules.of(proposal, wanted, public_keys)
        votes = await valid_votes(connection, proposal, rules, deciding=deciding)
    return approval.Ballot(
        tenant=row.tenant,
        proposal_id=row.id,
        state=ProposalState(row.state),
        revision=row.revision,
        authors=draft.authors,
        decide_by=row.decide_by,
        rules=rules,
        votes=votes,
    )


async def valid_votes(
    connection: AsyncConnection, proposal: Proposal, rules: DecisionRules, *, deciding: str | None = None
) -> Mapping[eligibility.Voter, Decision]:
    """Return the newest applied decision of each person on a revision, unless they have said otherwise since."""
    standing = await decisions.standing(connection, proposal.id, proposal.revision, deciding=deciding)
    return _counted(standing, proposal, rules)


def _counted(
    standing: Iterable[SignedDecision], proposal: Proposal, rules: DecisionRules
) -> Mapping[eligibility.Voter, Decision]:
    """Stored votes are believed no more than messages are: each signature is checked again, that it came in time,
    and that it is of somebody who may decide.
    """
    counted: dict[eligibility.Voter, Decision] = {}
    for signed in standing:
        at = signed.decision.at
        refusal = eligibility.vote_refusal(
            signed, rules, tenant=proposal.tenant, proposal_id=proposal.id, now=at
        )
        if refusal is None:
            counted[eligibility.voter(signed.decision.reviewer)] = signed.decision
    return MappingProxyType(counted)


def valid_approvals(
    standing: Iterable[SignedDecision],
    proposal: Proposal,
    requirement: ApprovalRequirement,
    public_keys: Mapping[str, str],
) -> tuple[Principal, ...]:
    """Return who validly approves this revision, by their newest decision: `standing`, as `decisions` returns them."""
    votes = _counted(standing, proposal, DecisionRules.of(proposal, requirement, public_keys))
    return tuple(one.reviewer for one in votes.values() if one.kind is DecisionKind.APPROVE)
