"""APPROVAL, before the workflow is asked: may this person decide on this proposal now, and if not, why not.

Pure. The rules about people are `contracts.eligibility`, as in the workflow's validator; here they get a status and a
sentence, and the questions about time are added, so that nothing hopeless is ever stored.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from contracts import eligibility
from contracts.evaluation import ApprovalRequirement
from contracts.principal import Principal
from contracts.proposal import ProposalState

FORBIDDEN = 403
CONFLICT = 409
NOT_AWAITING_APPROVAL = "not_awaiting_approval"
ALREADY_DECIDED = "already_decided"
_ANY_APPROVER = ApprovalRequirement(quorum=1)


@dataclass(frozen=True)
class Ineligible:
    """Why not: an HTTP status (403 for who one is, 409 for when), a code and a sentence."""

    status: int
    code: str
    message: str


def why_not(
    reviewer: Principal,
    *,
    state: ProposalState,
    authors: tuple[Principal, ...],
    requirement: ApprovalRequirement | None,
    voted: Collection[str],
    decide_by: datetime,
    now: datetime,
) -> Ineligible | None:
    """Return why `reviewer` may not decide, or None.

    `voted` holds `issuer/subject` of everyone whose vote counts in this revision.
    """
    wanted = requirement or _ANY_APPROVER
    code = eligibility.reviewer_refusal(reviewer, authors, wanted)
    if code is not None:
        return Ineligible(FORBIDDEN, code, _sentence(code, wanted))
    return _moment(reviewer, state, voted, decide_by, now)


def _sentence(code: str, requirement: ApprovalRequirement) -> str:
    roles = " or ".join(sorted(role.value for role in requirement.roles))
    return {
        eligibility.NOT_ELIGIBLE_KIND: "Only people decide.",
        eligibility.NOT_ELIGIBLE_REQUESTER: "You asked for this, so somebody else decides.",
        eligibility.NOT_ELIGIBLE_AUTHOR: "You had a hand in it, so somebody else decides.",
        eligibility.NOT_ELIGIBLE_ROLE: f"Deciding on this needs the role {roles}.",
    }[code]


def _moment(
    reviewer: Principal, state: ProposalState, voted: Collection[str], decide_by: datetime, now: datetime
) -> Ineligible | None:
    if state is ProposalState.EXPIRED:
        return Ineligible(CONFLICT, eligibility.DECISION_LATE, "It expired: nobody decided in time.")
    if state is ProposalState.EVALUATING:
        return Ineligible(CONFLICT, NOT_AWAITING_APPROVAL, "It is still being evaluated.")
    if state is not ProposalState.AWAITING_APPROVAL:
        return Ineligible(CONFLICT, ALREADY_DECIDED, f"It waits for nobody any more: it is {state}.")
    if now > decide_by:
        return Ineligible(CONFLICT, eligibility.DECISION_LATE, "The time to decide is over; expiry rejects.")
    if f"{reviewer.issuer}/{reviewer.subject}" in voted:
        return Ineligible(CONFLICT, eligibility.ALREADY_VOTED, "You have decided on this revision already.")
    return None
