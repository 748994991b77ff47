"""What the audit events of one proposal say, sorted and typed: the facts a decision record is written from. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from contracts.audit import AuditEvent, AuditType
from contracts.decision import ReasonName, SignedDecision
from contracts.effect import LATE_CALL, Intent, Receipt, ReceiptOutcome, Step, Verification
from contracts.evaluation import Evaluation
from contracts.principal import Principal
from contracts.proposal import Draft, Proposal, ProposalState
from contracts.request import Request

Fact = TypeVar("Fact", covariant=True)


@dataclass(frozen=True, slots=True)
class Numbered:
    """One event; without a number while it is younger than a second."""

    number: int | None
    event: AuditEvent


@dataclass(frozen=True, slots=True)
class Proved(Generic[Fact]):
    """A fact and the event that holds it."""

    fact: Fact
    number: int | None
    at: datetime
    actor: Principal


@dataclass(frozen=True, slots=True)
class Move:
    """One change of state."""

    before: ProposalState
    after: ProposalState
    reason_code: str
    message: str


@dataclass(frozen=True, slots=True)
class Edited:
    """A revision that a person made out of the one before."""

    draft: Draft
    reason_name: ReasonName | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A decision that did not count. `claimed_reviewer` is what a message said of itself, unproven."""

    decision_id: str
    reason_code: str
    claimed_reviewer: str | None


@dataclass(frozen=True, slots=True)
class Issued:
    """The provider took a call."""

    step: Step
    fence: int
    operation: str
    adopted: bool


@dataclass(frozen=True, slots=True)
class Late:
    """A call that was made too late, beside a newer attempt's or after its deadline."""

    step: Step
    operation: str | None
    is_certain: bool
    """False where nobody can tell whether it was made."""


@dataclass(frozen=True, slots=True)
class Posting:
    """One entry of the ledger."""

    kind: str
    scope: str
    window: str
    currency: str
    amount: Decimal
    gives_back: bool = False
    """Of an `adjust`: the change saves money that was booked before."""


@dataclass(slots=True)
class Course:
    """All facts, each list in the order it was written."""

    requests: list[Proved[Request]] = field(default_factory=list)
    answers: list[Proved[str]] = field(default_factory=list)
    """What the planner wrote when it closed the request: unverified words."""
    drafts: list[Proved[Draft]] = field(default_factory=list)
    edits: list[Proved[Edited]] = field(default_factory=list)
    observed: list[Proved[Proposal]] = field(default_factory=list)
    evaluations: list[Proved[Evaluation]] = field(default_factory=list)
    moves: list[Proved[Move]] = field(default_factory=list)
    comments: list[Proved[str]] = field(default_factory=list)
    recorded: list[Proved[SignedDecision]] = field(default_factory=list)
    applied: list[Proved[SignedDecision]] = field(default_factory=list)
    refused: list[Proved[Refusal]] = field(default_factory=list)
    voided: list[Proved[Refusal]] = field(default_factory=list)
    leases: list[Proved[tuple[bool, str]]] = field(default_factory=list)
    """Whether it was taken, and the domain."""
    intents: list[Proved[Intent]] = field(default_factory=list)
    issued: list[Proved[Issued]] = field(default_factory=list)
    late: list[Proved[Late]] = field(default_factory=list)
    receipts: list[Proved[Receipt]] = field(default_factory=list)
    verifications: list[Proved[Verification]] = field(default_factory=list)
    postings: list[Proved[Posting]] = field(default_factory=list)
    unreadable: int = 0
    """Events whose payload is not of the shape that their type has."""

    @property
    def state(self) -> ProposalState:
        """Where the events leave the proposal."""
        return self.moves[-1].fact.after if self.moves else ProposalState.EVALUATING

    @property
    def was_dirty(self) -> bool:
        """True when it was ever left to a person to find out what happened."""
        return any(move.fact.after is ProposalState.DIRTY for move in self.moves)

    @property
    def nothing_was_called(self) -> bool:
        """True when it is certain that the provider was never made to change anything.

        An intent without receipt may mean a call under way; only a move out of `executing` to a state that such a
        proposal reaches without an effect (contracts/proposal.py) rules that out. No state tells of a late call.
        """
        if self.late:
            return False
        if not self.intents:
            return True
        effects = (ReceiptOutcome.APPLIED, ReceiptOutcome.OPERATION_FAILED)
        took_place = bool(self.issued) or any(one.fact.outcome in effects for one in self.receipts)
        return not took_place and not self.was_dirty and self.state in _WITHOUT_EFFECT | self._no_op

    @property
    def _no_op(self) -> frozenset[ProposalState]:
        was = any(one.fact.outcome is ReceiptOutcome.NO_OP for one in self.receipts)
        return frozenset({ProposalState.SUCCEEDED, ProposalState.VERIFYING}) if was else frozenset()


_WITHOUT_EFFECT = frozenset(
    {
        ProposalState.READY,
        ProposalState.AWAITING_APPROVAL,
        ProposalState.DENIED,
        ProposalState.EXPIRED,
        ProposalState.CANCELLED,
        ProposalState.STALE,
        ProposalState.FAILED,
    }
)
"""States that a proposal with a written intent reaches only when no call changed anything."""


def course_of(events: Iterable[Numbered]) -> Course:
    """Sort events, given in the order they were written, into typed facts. Other types are passed over."""
    course = Course()
    for one in events:
        try:
            facts = _facts_of(one.event)
        except (KeyError, TypeError, ValueError, ArithmeticError):
            course.unreadable += 1
            continue
        for name, fact in facts:
            found: list[Proved[Any]] = getattr(course, name)
            found.append(Proved(fact, one.number, one.event.at, one.event.actor))
    return course


def numbers(*facts: Proved[Any]) -> tuple[int, ...]:
    """Return the numbers that prove these facts; what is not numbered yet is left out."""
    return tuple(sorted({one.number for one in facts if one.number is not None}))


def of_step(facts: Sequence[Proved[Any]], step: Step) -> list[Proved[Any]]:
    """Return the facts about one effect."""
    return [one for one in facts if one.fact.step is step]


_NOUNS: dict[AuditType, tuple[str, type[Any]]] = {
    AuditType.REQUEST_RECEIVED: ("requests", Request),
    AuditType.PROPOSAL_CREATED: ("drafts", Draft),
    AuditType.PROPOSAL_EVALUATED: ("evaluations", Evaluation),
    AuditType.DECISION_RECORDED: ("recorded", SignedDecision),
    AuditType.DECISION_APPLIED: ("applied", SignedDecision),
    AuditType.INTENT_WRITTEN: ("intents", Intent),
    AuditType.RECEIPT_WRITTEN: ("receipts", Receipt),
    AuditType.VERIFICATION_RECORDED: ("verifications", Verification),
}


def _facts_of(event: AuditEvent) -> list[tuple[str, Any]]:
    facts = [_fact_of(event)]
    if event.type is AuditType.PROPOSAL_MOVED and "proposal" in event.payload:
        facts.append(("observed", Proposal.model_validate(event.payload["proposal"])))
    return [one for one in facts if one[0]]


def _fact_of(event: AuditEvent) -> tuple[str, Any]:
    payload = event.payload
    if event.type in _NOUNS:
        name, noun = _NOUNS[event.type]
        return name, noun.model_validate(payload)
    match event.type:
        case AuditType.REQUEST_CLOSED:
            return "answers", payload["answer"] or ""
        case AuditType.PROPOSAL_MOVED:
            states = (ProposalState(payload["from"]), ProposalState(payload["to"]))
            return "moves", Move(*states, payload["reason_code"], payload["message"])
        case AuditType.PROPOSAL_REVISED:
            named = payload.get("reason_name")
            return "edits", Edited(
                Draft.model_validate(payload["draft"]), ReasonName(named) if named else None
            )
        case AuditType.PROPOSAL_COMMENTED:
            return "comments", str(payload["text"])
        case AuditType.DECISION_REFUSED | AuditType.DECISION_VOIDED | AuditType.DECISION_SUPERSEDED:
            name = "refused" if event.type is AuditType.DECISION_REFUSED else "voided"
            claimed = payload.get("claimed_reviewer")
            return name, Refusal(payload["decision_id"], payload["reason_code"], claimed)
        case AuditType.LEASE_TAKEN | AuditType.LEASE_RELEASED:
            return "leases", (event.type is AuditType.LEASE_TAKEN, payload["domain"])
        case AuditType.EFFECT_ISSUED | AuditType.EFFECT_LATE:
            return _call_of(event.type, payload)
        case AuditType.LEDGER_POSTED:
            said = {name: payload[name] for name in ("kind", "scope", "window", "currency")}
            gives_back = payload["kind"] == "adjust" and payload["credit"] == "available"
            return "postings", Posting(**said, amount=Decimal(payload["amount"]), gives_back=gives_back)
        case _:
            return "", None


def _call_of(kind: AuditType, payload: dict[str, Any]) -> tuple[str, Issued | Late]:
    step, operation = Step(payload["step"]), payload["operation"]
    if kind is AuditType.EFFECT_ISSUED:
        return "issued", Issued(step, payload["fence"], operation, payload["adopted"])
    return "late", Late(step, operation, is_certain=payload["reason_code"] == LATE_CALL)
