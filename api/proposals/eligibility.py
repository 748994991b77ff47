"""APPROVAL, before the workflow is asked: may this person decide on this proposal now, and if not, why not.

Pure. The rules about people are `contracts.eligibility`, as in the workflow's validator; here they get a status and a
sentence, and the questions about time are added, so that nothing hopeless is ever stored.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from contracts import eligibility
from contracts.decision import DecisionKind
from contracts.delegation import Delegation, acting
from contracts.evaluation import ApprovalRequirement
from contracts.principal import Principal
from contracts.proposal import ProposalState

FORBIDDEN = 403
CONFLICT = 409
NOT_AWAITING_APPROVAL = "not_awaiting_approval"
ALREADY_DECIDED = "already_decided"
ANY_APPROVER = ApprovalRequirement(quorum=1)


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
    voted: Mapping[str, DecisionKind],
    decide_by: datetime,
    now: datetime,
    lent: Collection[Delegation] = (),
    kind: DecisionKind | None = None,
) -> Ineligible | None:
    """Return why `reviewer` may not decide, or None.

    `voted` holds the newest decision of each person on this revision by `issuer/subject`, `lent` the delegations in
    force that cover the proposal. With a `kind` it is about that decision: another one replaces what stands. Without,
    about deciding at all: whoever has decided is not waited for.
    """
    wanted = requirement or ANY_APPROVER
    code = _refusal(reviewer, authors, wanted, lent)
    if code is not None:
        return Ineligible(FORBIDDEN, code, _sentence(code, wanted))
    standing = voted.get(reviewer.key)
    return _moment(state, decide_by, now) or _repeated(kind, standing)


def _refusal(
    reviewer: Principal,
    authors: tuple[Principal, ...],
    wanted: ApprovalRequirement,
    lent: Collection[Delegation],
) -> str | None:
    code = eligibility.reviewer_refusal(acting(reviewer, lent, authors, wanted).reviewer, authors, wanted)
    if code != eligibility.NOT_ELIGIBLE_ROLE:
        return code
    lenders = [one.delegator for one in lent if one.delegate.same_as(reviewer)]
    refused = {eligibility.reviewer_refusal(one, authors, wanted) for one in lenders}
    return eligibility.NOT_ELIGIBLE_DELEGATOR if refused - {code, None} else code


def _sentence(code: str, requirement: ApprovalRequirement) -> str:
    roles = " or ".join(sorted(role.value for role in requirement.roles))
    return {
        eligibility.NOT_ELIGIBLE_KIND: "Only people decide.",
        eligibility.NOT_ELIGIBLE_REQUESTER: "You asked for this, so somebody else decides.",
        eligibility.NOT_ELIGIBLE_AUTHOR: "You had a hand in it, so somebody else decides.",
        eligibility.NOT_ELIGIBLE_OWNER: "You answer for the agent that proposed it, so somebody else decides.",
        eligibility.NOT_ELIGIBLE_DELEGATOR: (
            "Whoever you decide for had a hand in it, so somebody else decides."
        ),
        eligibility.NOT_ELIGIBLE_ROLE: f"Deciding on this needs the role {roles}.",
    }[code]


def _repeated(kind: DecisionKind | None, standing: DecisionKind | None) -> Ineligible | None:
    if kind is None:
        decided = standing not in (None, DecisionKind.WITHDRAW)
        code = eligibility.ALREADY_VOTED if decided else None
    else:
        code = eligibility.repeat_refusal(kind, standing)
    if code == eligibility.NOTHING_TO_WITHDRAW:
        return Ineligible(CONFLICT, code, "You have not decided on this revision.")
    return Ineligible(CONFLICT, code, "You have decided on this revision already.") if code else None


def _moment(state: ProposalState, decide_by: datetime, now: datetime) -> Ineligible | None:
    if state is ProposalState.EXPIRED:
        return Ineligible(CONFLICT, eligibility.DECISION_LATE, "It expired: its time is over.")
    if state is ProposalState.EVALUATING:
        return Ineligible(CONFLICT, NOT_AWAITING_APPROVAL, "It is still being evaluated.")
    if state is not ProposalState.AWAITING_APPROVAL:
        return Ineligible(CONFLICT, ALREADY_DECIDED, f"It waits for nobody any more: it is {state}.")
    if now > decide_by:
        return Ineligible(CONFLICT, eligibility.DECISION_LATE, "The time to decide is over; expiry rejects.")
    return None
