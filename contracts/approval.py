"""APPROVAL as one pure state machine: the standing of a vote, what may happen to it, and what follows.

The activity that applies a decision, the closing of what ran out of time, cancels and edits all ask these functions;
the workflow's validator asks what can be told without the votes (`eligibility.vote_refusal`). Each takes where things
stand and what happened, and returns where they stand then, or the reason code of a refusal, which changes nothing.

| stands at | decision | expiry | cancel | edit | guard pass |
|---|---|---|---|---|---|
| `evaluating` | refused | refused | `cancelled` | refused | `awaiting_approval`, `ready`, `denied` |
| `awaiting_approval` | a vote; `ready`, `rejected` | `expired` | `cancelled` | `evaluating` | refused |
| anything else | refused | refused | only `ready` → `cancelled` | refused | refused |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import TypeAlias

from contracts import eligibility
from contracts.decision import Decision, DecisionKind, DecisionRules, SignedDecision
from contracts.eligibility import Voter, voter
from contracts.evaluation import ApprovalRequirement
from contracts.principal import Principal, PrincipalKind, Role
from contracts.proposal import MAX_REVISIONS, TRANSITIONS, ProposalState

PROPOSAL_CLOSED = "proposal_closed"
NOT_AWAITING_APPROVAL = "not_awaiting_approval"
NOT_CANCELLABLE = "not_cancellable"
TOO_MANY_REVISIONS = "too_many_revisions"
MAY_NOT_EDIT = "may_not_edit"

_S = ProposalState
_MAY_EDIT = frozenset({Role.APPROVER, Role.OPERATOR})


@dataclass(frozen=True, slots=True)
class Ballot:
    """Where the approval of one proposal stands."""

    tenant: str
    proposal_id: str
    state: ProposalState
    revision: int
    authors: tuple[Principal, ...]
    """The requester first, then everyone who had a hand in any revision."""
    decide_by: datetime
    """It is never moved to later."""
    rules: DecisionRules | None = None
    """None until a guard pass asked people about this revision."""
    votes: Mapping[Voter, Decision] = field(default_factory=lambda: MappingProxyType({}))
    """The newest decision of each person on this revision."""

    @property
    def approvers(self) -> tuple[Principal, ...]:
        """Who approves by now."""
        return tuple(one.reviewer for one in self.votes.values() if one.kind is DecisionKind.APPROVE)

    def moved(self, to: ProposalState) -> Ballot:
        """Return it in another state.

        Raises:
            ValueError: the table of states has no such move.
        """
        if to not in TRANSITIONS.get(self.state, frozenset()):
            raise ValueError(f"{self.state} → {to}")
        return replace(self, state=to)


@dataclass(frozen=True, slots=True)
class Decide:
    """A signed decision arrives."""

    signed: SignedDecision


@dataclass(frozen=True, slots=True)
class Expire:
    """The time to decide is over."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Somebody who may takes the proposal back."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Somebody proposes other values for what `proposal_digest` names."""

    editor: Principal
    proposal_digest: str


@dataclass(frozen=True, slots=True)
class Pass:
    """A guard pass looked at a revision. `rules` are given when it asks people."""

    revision: int
    state: ProposalState
    rules: DecisionRules | None = None


Event: TypeAlias = Decide | Expire | Cancel | Edit | Pass


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing changed."""

    reason_code: str


def step(ballot: Ballot, event: Event, now: datetime) -> Ballot | Refusal:
    """Return where the approval stands after one event, or why it changes nothing."""
    if isinstance(event, Decide):
        return decide(ballot, event.signed, now)
    if isinstance(event, Edit):
        return edit(ballot, event, now)
    if isinstance(event, Pass):
        return judge(ballot, event)
    return expire(ballot) if isinstance(event, Expire) else cancel(ballot)


def decide(ballot: Ballot, signed: SignedDecision, now: datetime) -> Ballot | Refusal:
    """Count a decision. The newest one of a person replaces the one before, until the proposal is decided.

    `now` is when it was accepted: what was accepted in time counts, however late it is applied.
    """
    refusal = refusal_of_decision(ballot, signed, now)
    if refusal is not None:
        return Refusal(refusal)
    decision = signed.decision
    after = replace(ballot, votes=votes_after(ballot.votes, decision))
    if decision.kind is DecisionKind.REJECT:
        return after.moved(_S.REJECTED)
    return after.moved(_S.READY) if is_settled(after) else after


def votes_after(votes: Mapping[Voter, Decision], decision: Decision) -> Mapping[Voter, Decision]:
    """Return the votes with a newer one: it replaces its person's, and a request for change voids the others."""
    kept = {} if decision.kind is DecisionKind.REQUEST_CHANGE else dict(votes)
    kept.pop(voter(decision.reviewer), None)
    return MappingProxyType({**kept, voter(decision.reviewer): decision})


def refusal_of_decision(ballot: Ballot, signed: SignedDecision, now: datetime) -> str | None:
    """Return why a decision does not count, or None when it does."""
    if ballot.state is not _S.AWAITING_APPROVAL or ballot.rules is None:
        return PROPOSAL_CLOSED
    return eligibility.decision_refusal(
        signed,
        ballot.rules,
        tenant=ballot.tenant,
        proposal_id=ballot.proposal_id,
        now=now,
        standing={person: vote.kind for person, vote in ballot.votes.items()},
    )


def is_settled(ballot: Ballot) -> bool:
    """Tell whether the approvals are enough."""
    return ballot.rules is not None and eligibility.is_met(ballot.rules.requirement, ballot.approvers)


def expire(ballot: Ballot) -> Ballot | Refusal:
    """Close what nobody decided in time: expiry rejects."""
    return ballot.moved(_S.EXPIRED) if may_expire(ballot.state) else Refusal(NOT_AWAITING_APPROVAL)


def may_expire(state: ProposalState) -> bool:
    """Tell whether the end of the time to decide closes a proposal in this state."""
    return state is _S.AWAITING_APPROVAL


def cancel(ballot: Ballot) -> Ballot | Refusal:
    """Take back what has not begun to change anything."""
    return ballot.moved(_S.CANCELLED) if may_cancel(ballot.state) else Refusal(NOT_CANCELLABLE)


def may_cancel(state: ProposalState) -> bool:
    """Tell whether a proposal in this state can be taken back."""
    return state.precedes_execution


def edit(ballot: Ballot, event: Edit, now: datetime) -> Ballot | Refusal:
    """Begin a new revision: all votes void, the editor among the authors, the gates to be asked anew.

    The last moment to decide stays where it was.
    """
    refusal = refusal_of_edit(ballot, event, now)
    if refusal is not None:
        return Refusal(refusal)
    is_known = any(event.editor.same_as(author) for author in ballot.authors)
    return replace(
        ballot.moved(_S.EVALUATING),
        revision=ballot.revision + 1,
        authors=ballot.authors if is_known else (*ballot.authors, event.editor),
        rules=None,
        votes=MappingProxyType({}),
    )


def refusal_of_edit(ballot: Ballot, event: Edit, now: datetime) -> str | None:
    """Return why an edit is refused, or None."""
    editor = event.editor
    is_requester = editor.same_as(ballot.authors[0])
    if editor.kind is not PrincipalKind.HUMAN or not (is_requester or _MAY_EDIT & set(editor.roles)):
        return MAY_NOT_EDIT
    if ballot.state is not _S.AWAITING_APPROVAL or ballot.rules is None:
        return NOT_AWAITING_APPROVAL
    if event.proposal_digest != ballot.rules.proposal_digest:
        return eligibility.STALE_DIGEST
    if now > ballot.decide_by:
        return eligibility.DECISION_LATE
    return TOO_MANY_REVISIONS if ballot.revision >= MAX_REVISIONS else None


def judge(ballot: Ballot, event: Pass) -> Ballot | Refusal:
    """Take what the guard pass of the present revision came to. Its rules never give more time than there was."""
    if event.revision != ballot.revision or ballot.state is not _S.EVALUATING:
        return Refusal(eligibility.STALE_REVISION)
    after = ballot.moved(event.state)
    if event.state is not _S.AWAITING_APPROVAL or event.rules is None:
        return after
    decide_by = min(ballot.decide_by, event.rules.decide_by)
    rules = event.rules.model_copy(update={"decide_by": decide_by})
    return replace(after, rules=rules, decide_by=decide_by)


def requirement_of(ballot: Ballot) -> ApprovalRequirement:
    """Return what is asked of people; nobody before a pass asked."""
    return ballot.rules.requirement if ballot.rules else ApprovalRequirement(quorum=0)
