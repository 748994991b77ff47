"""APPROVAL: who may decide, and whether a signed decision counts. Pure rules, shared by API, validator and intent.

The same reason codes come back from all three, so that a person is told the same wherever the refusal happens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import TypeAlias

from contracts.decision import Decision, DecisionKind, DecisionRules, SignedDecision
from contracts.evaluation import ApprovalRequirement
from contracts.principal import LOCAL, Principal, PrincipalKind, Role
from contracts.signature import is_signed_by

STALE_DIGEST = "stale_digest"
STALE_REVISION = "stale_revision"
DECISION_LATE = "decision_late"
BAD_SIGNATURE = "bad_signature"
ALREADY_VOTED = "already_voted"
NOTHING_TO_WITHDRAW = "nothing_to_withdraw"
NOT_ELIGIBLE_KIND = "not_eligible_kind"
NOT_ELIGIBLE_REQUESTER = "not_eligible_requester"
NOT_ELIGIBLE_AUTHOR = "not_eligible_author"
NOT_ELIGIBLE_OWNER = "not_eligible_owner"
NOT_ELIGIBLE_ROLE = "not_eligible_role"
NOT_ELIGIBLE_DELEGATOR = "not_eligible_delegator"

Voter: TypeAlias = tuple[str, str]
"""Issuer and subject: what makes a reviewer one voter."""
NOBODY: Mapping[Voter, DecisionKind] = MappingProxyType({})


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
    if is_excluded(reviewer, requirement):
        return NOT_ELIGIBLE_OWNER
    if not set(reviewer.roles) & set(requirement.roles):
        return NOT_ELIGIBLE_ROLE
    return None


def delegation_refusal(
    decision: Decision, authors: Sequence[Principal], requirement: ApprovalRequirement
) -> str | None:
    """Return why a vote that was lent does not count: four eyes hold for whoever lent it, too."""
    for lender in decision.on_behalf_of:
        if lender.same_as(decision.reviewer) or reviewer_refusal(lender, authors, requirement) is not None:
            return NOT_ELIGIBLE_DELEGATOR
    return None


def decision_refusal(
    signed: SignedDecision,
    rules: DecisionRules,
    *,
    tenant: str,
    proposal_id: str,
    now: datetime,
    standing: Mapping[Voter, DecisionKind] = NOBODY,
) -> str | None:
    """Return why a decision that arrives does not count, or None when it does.

    `standing` is the newest decision of each person on this revision: another one replaces it, the same one again is
    none.
    """
    refusal = vote_refusal(signed, rules, tenant=tenant, proposal_id=proposal_id, now=now)
    if refusal is not None:
        return refusal
    decision = signed.decision
    return repeat_refusal(decision.kind, standing.get(voter(decision.reviewer)))


def vote_refusal(
    signed: SignedDecision, rules: DecisionRules, *, tenant: str, proposal_id: str, now: datetime
) -> str | None:
    """Return why a decision is not valid by itself, or None. Cheap checks come first: forgeries may be many."""
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
    return reviewer_refusal(decision.reviewer, rules.authors, rules.requirement) or delegation_refusal(
        decision, rules.authors, rules.requirement
    )


def repeat_refusal(kind: DecisionKind, standing: DecisionKind | None) -> str | None:
    """Return why this decision says nothing beside the same person's standing one, or None."""
    if kind is standing:
        return ALREADY_VOTED
    return NOTHING_TO_WITHDRAW if kind is DecisionKind.WITHDRAW and standing is None else None


def voter(reviewer: Principal) -> Voter:
    """Return what makes a reviewer one voter: issuer and subject, whatever their roles."""
    return (reviewer.issuer, reviewer.subject)


def is_excluded(reviewer: Principal, requirement: ApprovalRequirement) -> bool:
    """Tell whether a requirement names this person, or a group of theirs, among those who may not decide."""
    return is_named(reviewer, requirement.excluded)


def is_named(person: Principal, names: Iterable[str]) -> bool:
    """Tell whether any of these names means this person, or a group of theirs."""
    return not names_of(person).isdisjoint(names)


def names_of(person: Principal) -> frozenset[str]:
    """Return every name that means this person, or a group of theirs.

    A name without an issuer may be meant as a group or as a person of this installation: it is taken as both.
    """
    alone = {person.subject} if person.issuer == LOCAL else set()
    return frozenset({person.spelled, person.key, *person.groups} | alone)


def is_met(requirement: ApprovalRequirement, approvers: Iterable[Principal]) -> bool:
    """Tell whether these approvals are enough: as many people as asked, each asked role and group among them."""
    people = tuple(_counted(requirement, approvers))
    if not requirement.is_met_by(len(people)):
        return False
    roles, groups = lacking(requirement, people)
    return not groups and (requirement.quorum == 0 or not roles)


def lacking(
    requirement: ApprovalRequirement, approvers: Iterable[Principal]
) -> tuple[tuple[Role, ...], tuple[str, ...]]:
    """Return the asked roles, and the asked groups, that nobody among these approvers is of."""
    people = tuple(_counted(requirement, approvers))
    held = {role for person in people for role in person.roles}
    present = {group for person in people for group in person.groups}
    return (
        tuple(role for role in requirement.roles if role not in held),
        tuple(group for group in requirement.groups if group not in present),
    )


def _counted(requirement: ApprovalRequirement, approvers: Iterable[Principal]) -> Iterable[Principal]:
    """Each person once, without those who may not decide."""
    return {voter(one): one for one in approvers if not is_excluded(one, requirement)}.values()
