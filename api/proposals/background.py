"""What stands behind a proposal: who may decide, who said what, what was asked, how risky it is. Pure, as `view.py`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy.engine import Row

from api.proposals.schemas import (
    Actor,
    AskedFor,
    Away,
    BlastRadius,
    Comment,
    Excluded,
    Risk,
    Vote,
    WhoCanDecide,
)
from contracts import eligibility
from contracts.decision import DecisionKind, DecisionStatus, SignedDecision
from contracts.delegation import Delegation
from contracts.evaluation import ApprovalRequirement, CostEstimate, Evaluation, RiskTier
from contracts.money import CENT
from contracts.principal import Principal, PrincipalKind, pair_of
from contracts.proposal import Draft, Proposal
from contracts.request import AgentStep, Request
from guardrails.budget.cost import HOURS_PER_MONTH
from guardrails.risk import risk_facts_of, risk_of

_COUNTED = frozenset({DecisionStatus.RECORDED, DecisionStatus.APPLIED})
"""Decisions that count, or will as soon as the workflow takes them."""
_STEPS: TypeAdapter[tuple[AgentStep, ...]] = TypeAdapter(tuple[AgentStep, ...])


def actor_of(principal: Principal) -> Actor:
    """Return who, without roles."""
    return Actor(kind=principal.kind, subject=principal.subject, issuer=principal.issuer)


def risk_view_of(
    draft: Draft,
    evaluation: Evaluation | None,
    stored: str | None,
    *,
    production: bool,
    monthly_threshold: Decimal | None,
) -> Risk:
    """Return the tier with its reasons. What the first pass stored (`RiskTier`, or None) is never undercut."""
    found = risk_of(
        risk_facts_of(
            draft,
            draft.observation if isinstance(draft, Proposal) else None,
            evaluation.cost if evaluation else None,
            production=production,
            monthly_threshold=monthly_threshold,
        )
    )
    if stored is not None:
        found = found.at_least(RiskTier(stored), "So it was judged when it was first looked at.")
    return Risk(tier=found.tier, reasons=found.reasons)


def who_can_decide(
    draft: Draft,
    requirement: ApprovalRequirement | None,
    votes: Sequence[Vote],
    revision: int,
    delegations: Sequence[Delegation] = (),
    approvers: Sequence[Principal] = (),
) -> WhoCanDecide | None:
    """Return roles and exclusions, or None when nobody is asked. `approvers`: of the present revision."""
    if requirement is None:
        return None
    requester, *others = draft.authors
    excluded = [Excluded(who=actor_of(requester), why=eligibility.NOT_ELIGIBLE_REQUESTER)]
    excluded += [
        Excluded(who=actor_of(one), why=eligibility.NOT_ELIGIBLE_AUTHOR)
        for one in others
        if not one.same_as(requester)
    ]
    excluded += [Excluded(who=one, why=eligibility.NOT_ELIGIBLE_OWNER) for one in _owners(requirement)]
    excluded += [
        Excluded(who=vote.reviewer, why=eligibility.ALREADY_VOTED)
        for vote in votes
        if vote.revision == revision and vote.stands and vote.decision is not DecisionKind.WITHDRAW
    ]
    away = tuple(
        Away(
            who=actor_of(one.delegator),
            delegate=actor_of(one.delegate),
            until=one.until,
            out_of_office=one.scope.is_everything,
        )
        for one in delegations
    )
    return WhoCanDecide(
        roles=requirement.roles,
        groups=requirement.groups,
        missing_groups=eligibility.lacking(requirement, approvers)[1],
        excluded=tuple(excluded),
        away=away,
    )


def standing_votes(rows: Iterable[Row[Any]], revision: int) -> dict[str, Row[Any]]:
    """Return the newest decision of each person on this revision that counts, by their key. `rows`: oldest first."""
    return {row.reviewer: row for row in rows if row.revision == revision and row.status in _COUNTED}


def approvers_of(rows: Iterable[Row[Any]], revision: int) -> tuple[Principal, ...]:
    """Return the people whose newest decision on this revision is an approval. `rows`: oldest first."""
    approvals = (row for row in standing_votes(rows, revision).values() if row.kind == DecisionKind.APPROVE)
    return tuple(SignedDecision.model_validate(row.document).decision.reviewer for row in approvals)


def _owners(requirement: ApprovalRequirement) -> Iterator[Actor]:
    """Yield who answers for the agents. A group is shown as a subject of the issuer `group`."""
    for name in requirement.excluded:
        issuer, subject = pair_of(name) if "/" in name else ("group", name)
        yield Actor(kind=PrincipalKind.HUMAN, subject=subject, issuer=issuer)


def newest_standing(votes: Iterable[Vote], revision: int) -> Vote | None:
    """Return the newest decision of this revision that counts."""
    standing = [vote for vote in votes if vote.revision == revision and vote.stands]
    return max(standing, key=lambda vote: vote.at, default=None)


def comment_of(row: Row[Any]) -> Comment:
    """Return a stored comment."""
    author = actor_of(Principal.model_validate(row.author))
    return Comment(id=row.id, revision=row.revision, author=author, text=row.text, at=row.created_at)


def asked_for(row: Row[Any]) -> AskedFor:
    """Return the request in a row of `requests`."""
    request = Request.model_validate(row.document)
    return AskedFor(
        id=request.id,
        requester=actor_of(request.requester),
        channel=request.channel,
        trust=request.trust,
        text=request.text,
        alert=request.alert,
        received_at=request.received_at,
    )


def steps_of(row: Row[Any]) -> tuple[AgentStep, ...]:
    """Return the agent's steps in a row of `requests`."""
    return _STEPS.validate_python(row.steps)


def monthly_totals(cost: CostEstimate, radius: BlastRadius) -> dict[str, Decimal]:
    """Return what the pool's nodes cost per month before and after, by the price of the estimate."""
    per_node = cost.price_per_node_hour * HOURS_PER_MONTH
    before, after = (
        (nodes * per_node).quantize(CENT, rounding=ROUND_HALF_UP)
        for nodes in (radius.nodes_before, radius.nodes_after)
    )
    return {"monthly_before": before, "monthly_after": after}
