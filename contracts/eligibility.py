"""APPROVAL: who may decide, and whether a signed decision counts. Pure rules, shared by API, validator and intent.

The same reason codes come back from all three, so that a person is told the same wherever the refusal happens.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from contracts.decision import DecisionRules, SignedDecision
from contracts.evaluation import ApprovalRequirement
from contracts.principal import Principal, PrincipalKind
from contracts.signature import is_signed_by

STALE_DIGEST = "stale_digest"
STALE_REVISION = "stale_revision"
DECISION_LATE = "decision_late"
BAD_SIGNATURE = "bad_signature"
ALREADY_VOTED = "already_voted"
NOT_ELIGIBLE_KIND = "not_eligible_kind"
NOT_ELIGIBLE_REQUESTER = "not_eligible_requester"
NOT_ELIGIBLE_AUTHOR = "not_eligible_author"
NOT_ELIGIBLE_ROLE = "not_eligible_role"


def reviewer_refusal(
    reviewer: Principal, authors: Sequence[Principal], requirement: ApprovalRequirement
) -> str | None:
    """Return why this principal may not decide, or None when they may.

    `authors` holds the requester first. One of the required roles is enough to vote; a required group keeps nobody
    from voting, for whoever is outside it may still say no.
    """
    if reviewer.kind is not PrincipalKind.HUMAN:
        return NOT_ELIGIBLE_KIND
    if authors and reviewer.same_as(authors[0]):
        return NOT_ELIGIBLE_REQUESTER
    if any(reviewer.same_as(author) for author in authors):
        return NOT_ELIGIBLE_AUTHOR
    if not set(reviewer.roles) & set(requirement.roles):
        return NOT_ELIGIBLE_ROLE
    return None


def decision_refusal(
    signed: SignedDecision,
    rules: DecisionRules,
    *,
    tenant: str,
    proposal_id: str,
    now: datetime,
    voted: Collection[tuple[str, str]] = (),
) -> str | None:
    """Return why a decision does not count, or None when it does.

    `voted` names those who have a vote already, as (issuer, subject). Cheap checks come first, so that a flood of
    forgeries costs no signature check each.
    """
    decision = signed.decision
    if (decision.tenant, decision.proposal_id) != (tenant, proposal_id):
        return STALE_DIGEST
    if decision.revision != rules.revision:
        return STALE_REVISION
    if decision.proposal_digest != rules.proposal_digest:
        return STALE_DIGEST
    if now > rules.decide_by or decision.at > rules.decide_by:
        return DECISION_LATE
    if not is_signed_by(signed, rules.public_keys):
        return BAD_SIGNATURE
    refusal = reviewer_refusal(decision.reviewer, rules.authors, rules.requirement)
    if refusal is not None:
        return refusal
    return ALREADY_VOTED if voter(decision.reviewer) in voted else None


def voter(reviewer: Principal) -> tuple[str, str]:
    """Return what makes a reviewer one voter: issuer and subject, whatever their roles."""
    return (reviewer.issuer, reviewer.subject)


def is_met(requirement: ApprovalRequirement, approvers: Iterable[Principal]) -> bool:
    """Tell whether these approvals are enough: as many people as asked, each asked role and group among them."""
    people = {voter(approver): approver for approver in approvers}
    if not requirement.is_met_by(len(people)):
        return False
    held = {role for person in people.values() for role in person.roles}
    present = {group for person in people.values() for group in person.groups}
    return set(requirement.groups) <= present and (requirement.quorum == 0 or set(requirement.roles) <= held)
